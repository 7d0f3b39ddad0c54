"""Queries of our own writing that the bundled world cannot answer: other domains, abstractions, other languages."""

from __future__ import annotations

FAR = (
    "a chef slices onions in a restaurant kitchen", "two politicians debate taxes on television",
    "a surgeon washes her hands before the operation", "someone unboxes a new smartphone",
    "a barber trims a customer's beard", "children line up for vaccination at school",
    "a quarterback throws a touchdown pass", "the jury listens to the lawyer's closing speech",
    "a woman applies mascara in front of a mirror", "a mechanic changes the oil filter",
    "a pianist performs a nocturne at a concert", "workers pour concrete for a foundation",
    "a teacher explains fractions at the blackboard", "a gamer builds a castle in a sandbox game",
    "a couple dances tango at a wedding", "firefighters carry a hose up the staircase",
    "a toddler blows out birthday candles", "a news anchor reports on the stock exchange",
    "a man assembles a bookshelf with a screwdriver", "teenagers skate in an empty swimming pool",
    "a nurse measures blood pressure", "a stand-up comedian tells jokes about airports",
    "a grandmother knits a woollen scarf", "scientists pipette samples in a laboratory",
    "a waiter spills soup on a guest", "a boxer lands an uppercut in the third round",
    "a girl folds an origami crane", "someone types an e-mail on a laptop",
    "an auctioneer sells an old painting", "a choir sings carols in a cathedral",
    "a plumber repairs a leaking tap", "students throw their caps at graduation",
    "a model walks down the runway in a gown", "a baker kneads dough before sunrise",
    "a magician pulls cards from his sleeve", "two women practise yoga in a studio",
    "a cashier scans groceries at the checkout", "an astronaut floats through the station's module",
    "a potter shapes clay on a wheel", "a coach shouts at the referee",
)  # fmt: skip
ABSTRACT = (
    "the meaning of freedom", "nostalgia for a summer that never was", "inflation erodes trust",
    "why do we forgive", "pure joy", "an argument about nothing", "justice delayed is justice denied",
    "the square root of two is irrational", "loneliness", "a promise that nobody kept", "economic growth",
    "the smell of fresh coffee", "ambition without patience", "democracy needs debate",
    "something I once dreamed", "the sound of silence", "a theory of everything", "hope and despair",
    "irony is hard to explain", "time heals most wounds", "the moral of the story", "regret",
    "an unspoken agreement", "probability of default", "beauty lies in the eye of the beholder",
    "the cost of living", "gratitude towards strangers", "a paradox of choice", "suspense", "common sense",
)  # fmt: skip
LANGUAGES = (
    "ein rotes Auto fährt nach links", "eine Katze springt über einen Hund am Strand",
    "un bateau bleu sur la mer la nuit", "un petit oiseau vert dans la forêt", "un perro blanco rebota en el desierto",
    "una mariposa amarilla bajo la lluvia", "un robot viola in montagna sotto la neve",
    "un palloncino rosso sale nel cielo", "um elefante azul na praia ao pôr do sol", "een gele bal in een weiland",
    "en grön fisk simmar åt höger", "czerwony samochód w mieście nocą", "modrá loď na moři", "piros labda a réten",
    "красная машина едет влево", "кошка прыгает через слона на пляже", "синій човен у морі",
    "ένα κόκκινο αυτοκίνητο στην πόλη", "kırmızı bir araba sola gidiyor", "قارب أزرق في البحر ليلا",
    "כלב לבן קופץ במדבר", "एक लाल कार बाईं ओर जाती है", "একটি নীল নৌকা", "ஒரு சிவப்பு கார்", "รถสีแดงในเมือง",
    "một chiếc thuyền xanh trên biển", "perahu biru di laut", "一辆红色的汽车向左行驶", "一只猫在海滩上跳过大象",
    "赤い車が左に走る", "夜の海に青い船", "빨간 자동차가 왼쪽으로 간다", "punainen auto ajaa vasemmalle",
    "gari jekundu linaenda kushoto", "ngoja boti la bluu baharini", "sinine paat merel öösel",
)  # fmt: skip
# For choosing a detector's settings only: no test set holds queries of these kinds.
FOREIGN_WORDS = (
    "zebra", "guitar", "volcano", "skateboard", "pizza", "helicopter", "penguin", "castle", "violin", "giraffe",
    "bicycle", "lighthouse", "cactus", "submarine", "drum", "chimney", "panda", "ladder", "train", "octopus",
    "swims", "cooks", "sings", "explodes", "reads", "sleeps", "melts", "argues", "dives", "laughs",
)  # fmt: skip
QUESTIONS = (
    "how many clips are in this gallery", "what time is it", "can you show me something nice", "who drew the cat",
    "play the next one please", "why is the sky blue", "is it going to rain tomorrow", "delete the third result",
    "sort by date", "where did the red boat go after that", "help", "what else do you have", "select * from videos",
    "open the settings and turn on the sound", "x = 3 * (4 + y)", "error 404 page not found", "def main(): return 0",
    "order number 84613 has shipped", "call me back at seven", "translate this into english",
    "do you like butterflies", "which of these animals is faster", "tell me a story about a dog", "thank you",
    "i want to see it again", "are there any cats that do not jump", "show me everything but cars", "good morning",
    "name three things that fly", "could a fish live in the desert",
)  # fmt: skip

"""The forms in which English says a word: plurals, what a gerund comes from, degrees of an adjective.

Rules, and the exceptions that the word file needs. They err towards more forms: a form that nobody writes is harmless
where texts are searched for words that they may not hold.
"""

from __future__ import annotations

_PLURALS = {
    "aircraft": "aircraft", "bison": "bison", "calf": "calves", "child": "children", "cod": "cod", "deer": "deer",
    "elk": "elk", "fish": "fish", "foot": "feet", "footage": "footage", "goose": "geese", "half": "halves",
    "koi": "koi", "knife": "knives", "leaf": "leaves", "lice": "lice", "life": "lives", "loaf": "loaves",
    "louse": "lice", "scarf": "scarves", "reindeer": "reindeer", "trout": "trout", "doberman": "dobermans",
    "man": "men", "moose": "moose", "mouse": "mice", "ox": "oxen", "person": "people", "people": "people",
    "piano": "pianos", "scissors": "scissors", "sheep": "sheep", "shelf": "shelves", "shrimp": "shrimp",
    "spacecraft": "spacecraft", "squid": "squid", "swine": "swine", "tooth": "teeth", "watercraft": "watercraft",
    "glasses": "glasses", "wildlife": "wildlife", "fauna": "fauna", "wolf": "wolves", "woman": "women",
    "wife": "wives", "sea bass": "sea bass", "siamese": "siamese", "pekinese": "pekinese",
    "policeman": "policemen", "snowman": "snowmen", "waterfowl": "waterfowl", "wildfowl": "wildfowl",
    "halibut": "halibut", "haddock": "haddock", "tuna": "tuna", "salmon": "salmon", "mackerel": "mackerel",
    "animal life": "animal life", "transport": "transport", "bread": "bread", "cheese": "cheese",
    "furniture": "furniture", "hippo": "hippos", "rhino": "rhinos", "dingo": "dingoes", "mosquito": "mosquitoes",
    "potato": "potatoes", "tomato": "tomatoes", "buffalo": "buffaloes", "quail": "quail", "peafowl": "peafowl",
    "means of transport": "means of transport", "bird of prey": "birds of prey",
}  # fmt: skip
# gerund: its base and its past forms
_IRREGULAR = {
    "flying": "fly flew flown", "falling": "fall fell fallen", "rising": "rise rose risen", "going": "go went gone",
    "running": "run ran", "swimming": "swim swam swum", "driving": "drive drove driven",
    "springing": "spring sprang sprung",
    "leaping": "leap leapt leaped", "swinging": "swing swung", "spinning": "spin spun", "sitting": "sit sat",
    "standing": "stand stood", "lying": "lie lay lain", "sleeping": "sleep slept", "freezing": "freeze froze frozen",
    "taking": "take took taken", "coming": "come came", "getting": "get got gotten", "becoming": "become became",
    "blowing": "blow blew blown", "growing": "grow grew grown", "sinking": "sink sank sunk", "shooting": "shoot shot",
    "winding": "wind wound", "spreading": "spread", "doing": "do did done", "holding": "hold held",
    "bringing": "bring brought",
    "giving": "give gave given", "catching": "catch caught", "shrinking": "shrink shrank shrunk", "losing": "lose lost",
    "keeping": "keep kept", "upending": "upend upended", "riding": "ride rode ridden", "hanging": "hang hung",
    "weaving": "weave wove woven", "bearing": "bear bore borne", "tearing": "tear tore torn", "making": "make made",
    "butting": "butt butted", "diving": "dive dived dove", "being": "be was been", "sweeping": "sweep swept",
    "eating": "eat ate eaten", "drinking": "drink drank drunk", "fighting": "fight fought",
    "singing": "sing sang sung", "burning": "burn burned burnt", "biting": "bite bit bitten", "digging": "dig dug",
    "speeding": "speed sped", "skiing": "ski skied", "crying": "cry cried", "sneaking": "sneak sneaked snuck",
}  # fmt: skip
_VOWELS = "aeiou"


def plural(noun: str) -> str:
    """The plural of a noun or of a compound by its last word: "sea gull" gives "sea gulls"."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    *front, last = noun.split(" ")
    return " ".join([*front, _plural(last)])


def _plural(noun: str) -> str:
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun.endswith(("fish", "craft")):
        return noun
    for tail in ("man", "mouse", "goose", "child", "wolf", "calf"):
        if noun.endswith(tail) and noun not in ("human", "mongoose", "caiman"):
            return noun[: -len(tail)] + _PLURALS[tail]
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh", "z")) else f"{noun}s"


def gerund_forms(phrase: str) -> frozenset[str]:
    """Base, third person and pasts of a gerund with what follows it: "running after" gives "run after", "ran after".

    Both spellings of a base that ends in a silent e or a doubled letter are given ("hopp" and "hop", "bounc" and
    "bounce"). Empty where the first word is no gerund.
    """
    head, _, rest = phrase.partition(" ")
    if not head.endswith("ing") or len(head) < 5:
        return frozenset()
    stem = head[:-3]
    if head in _IRREGULAR:
        base, *pasts = _IRREGULAR[head].split()
        heads = {base, *pasts}
        bases = {base}
    else:
        bases = {stem, f"{stem}e"} | ({stem[:-1]} if stem[-1:] == stem[-2:-1] else set())
        heads = bases | {f"{stem}ed"}
        heads |= {f"{stem[:-1]}ied"} if stem.endswith("y") else set()
    for base in bases:
        heads |= {f"{base}s", f"{base}es"} | ({f"{base[:-1]}ies"} if base.endswith("y") else set())
    return frozenset(f"{head} {rest}".strip() for head in heads)


def degrees(adjective: str) -> frozenset[str]:
    """Comparative, superlative, "-ish" and "-ly" of an adjective of one word; empty for a longer one."""
    if " " in adjective or "-" in adjective:
        return frozenset()
    stems = {adjective}
    if adjective.endswith("y"):
        stems.add(f"{adjective[:-1]}i")
    if adjective.endswith("e"):
        stems.add(adjective[:-1])
    if adjective[-1] not in _VOWELS and adjective[-2:-1] in tuple(_VOWELS):  # "bigger", "reddest"
        stems.add(adjective + adjective[-1])
    return frozenset(stem + tail for stem in stems for tail in ("er", "est", "ish", "ly"))

"""What one can say of a Storybook clip.

`write` is a grammar: synonyms, paraphrases, several orders of clauses, and circumstances left out.
A caption remembers the facts that it says, so its truth about any other clip can be decided (truth.py).
Captions are in lower case without a full stop, as those of the public benchmarks are.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from . import world
from .truth import ATTRIBUTES, Truth, allow
from .world import Scene

# Words by attribute and value: those of the storybook style, then those of the sketchbook style, the
# plainest first. No content word stands for two values of one attribute or of two (a test checks it),
# except where the meaning is the same: to circle alone or round another, to move left alone or with another.
_SUBJECTS = {
    "car": ("car, automobile, sedan", "car, motorcar"),
    "bus": ("bus, coach, minibus", "bus, omnibus"),
    "boat": ("boat, ship, sailboat", "boat, vessel"),
    "airplane": ("airplane, plane, aircraft", "plane, jet"),
    "rocket": ("rocket, spaceship, spacecraft", "rocket, starship"),
    "balloon": ("balloon, party balloon, helium balloon", "balloon, inflated balloon"),
    "ball": ("ball, rubber ball, sphere", "ball, orb"),
    "kite": ("kite, paper kite, diamond kite", "kite, tailed kite"),
    "umbrella": ("umbrella, parasol, brolly", "umbrella, open umbrella"),
    "bird": ("bird, songbird, sparrow", "bird, finch"),
    "butterfly": ("butterfly, moth, monarch butterfly", "butterfly, moth"),
    "bee": ("bee, bumblebee, honeybee", "bee, bumblebee"),
    "fish": ("fish, trout, carp", "fish, perch"),
    "turtle": ("turtle, tortoise, terrapin", "turtle, tortoise"),
    "cat": ("cat, kitty, feline", "cat, tomcat"),
    "dog": ("dog, doggy, hound", "dog, canine"),
    "rabbit": ("rabbit, bunny, hare", "rabbit, hare"),
    "elephant": ("elephant, tusker", "elephant, pachyderm"),
    "frog": ("frog, toad, bullfrog", "frog, toad"),
    "robot": ("robot, android, droid", "robot, mechanical robot"),
}
_COLOURS = {
    "red": ("red, scarlet, crimson", "red, ruby"),
    "blue": ("blue, azure, cobalt", "blue, navy"),
    "green": ("green, emerald, jade", "green, emerald"),
    "yellow": ("yellow, golden, lemon", "yellow, golden"),
    "orange": ("orange, tangerine, amber", "orange, apricot"),
    "purple": ("purple, violet, lilac", "purple, violet"),
    "pink": ("pink, rosy, fuchsia", "pink, rosy"),
    "white": ("white, ivory, milky", "white, chalky"),
}
_SIZES = {"small": ("small, little, tiny", "small, mini"), "big": ("big, large, huge", "big, giant")}
_PLACES = {
    "city": ("in the city, in town, downtown", "city, urban area"),
    "sea": ("at sea, on the ocean, on the waves", "sea, ocean"),
    "forest": ("in the forest, in the woods, among the trees", "forest, woodland"),
    "beach": ("on the beach, on the shore, at the coast", "beach, shore"),
    "field": ("in a field, in a meadow, in a pasture", "field, meadow"),
    "desert": ("in the desert, among the dunes, in the badlands", "desert, dunes"),
    "mountains": ("in the mountains, among the peaks, in the highlands", "mountains, alps"),
    "sky": ("in the sky, in the air, among the clouds", "sky, midair"),
}
_TIMES = {
    "day": ("by day, in the daytime, in daylight, during the day", "day, daytime, midday"),
    "sunset": ("at sunset, at dusk, at sundown, in the evening", "sunset, dusk, twilight"),
    "night": ("at night, after dark, by night", "night, nighttime"),
}
_WEATHERS = {
    "clear": ("in clear weather, in dry weather, in fair weather", "clear, dry"),
    "rain": ("in the rain, in rainy weather, as rain falls, in a downpour", "rain, wet"),
    "snow": ("in the snow, in snowy weather, as snow falls, in a snowfall", "snow, snowing"),
}
_HOURS = {"day": "day", "sunset": "evening", "night": "night"}  # "on a rainy evening"
_SKIES = {"clear": ("clear", "dry"), "rain": ("rainy", "wet"), "snow": ("snowy",)}

# Verbs as "finite|gerund", relations as "finite|gerund|participle".
_GO = ("moves|moving", "goes|going", "travels|travelling", "heads|heading")
_MOTIONS = {
    "up": ("rises|rising, moves up|moving up, climbs upward|climbing upward, ascends|ascending",
           "|rising, |moving up, |lifting"),
    "down": ("moves down|moving down, sinks|sinking, goes downward|going downward, descends|descending",
             "|sinking, |moving down, |dropping"),
    "bounce": ("bounces|bouncing, hops about|hopping about, bounds|bounding", "|bouncing, |hopping"),
    "spin": ("spins|spinning, twirls|twirling, rotates|rotating", "|spinning, |rotating"),
    "circle": ("circles|circling, goes round and round|going round and round, "
               "moves in a circle|moving in a circle", "|circling, |looping"),
    "still": ("stands still|standing still, stays put|staying put, remains motionless|remaining motionless",
              "|standing still, |static"),
    "swing": ("swings|swinging, sways|swaying, swings back and forth|swinging back and forth",
              "|swinging, |swaying to and fro"),
    "zigzag": ("zigzags|zigzagging, weaves|weaving, swerves|swerving", "|zigzagging, |on a zigzag path"),
    "grow": ("grows|growing, expands|expanding, swells|swelling", "|growing, |getting bigger"),
    "shrink": ("shrinks|shrinking, dwindles|dwindling, contracts|contracting",
               "|shrinking, |getting smaller"),
}  # fmt: skip
_RELATIONS = {
    "chases": ("chases|chasing|chased, pursues|pursuing|pursued, follows|following|followed",
               "|chasing|chased, |hunting|hunted"),
    "pushes": ("pushes|pushing|pushed, shoves|shoving|shoved, nudges|nudging|nudged",
               "|pushing|pushed, |thrusting|thrust"),
    "carries": ("carries|carrying|carried, hauls|hauling|hauled, transports|transporting|transported",
                "|carrying|carried, |lugging|lugged"),
    "jumps over": ("jumps over|jumping over|jumped over, leaps over|leaping over|leapt over, "
                   "hurdles|hurdling|hurdled",
                   "|jumping over|jumped over, |leaping over|leapt over"),
    "circles": ("circles|circling|circled, orbits|orbiting|orbited, "
                "loops around|looping around|looped around", "|circling|circled, |orbiting|orbited"),
}  # fmt: skip
_DIRECTIONS = {
    d: (f"to the {d}, {d}ward, towards the {d}", f"bound {d}, heading {d}") for d in world.DIRECTIONS
}
for _d in world.DIRECTIONS:
    _tails = [verb.replace("|", f" {tail}|") + f" {tail}" for verb in _GO for tail in (_d, f"to the {_d}")]
    _MOTIONS[_d] = (", ".join(_tails), f"|moving {_d}, |{_d}ward bound")

STYLES = ("storybook", "sketchbook")
_TABLES = dict(
    place=_PLACES, time=_TIMES, weather=_WEATHERS, subject=_SUBJECTS, colour=_COLOURS, size=_SIZES,
    motion=_MOTIONS, relation=_RELATIONS, direction=_DIRECTIONS,
)  # fmt: skip
_ALWAYS = frozenset({"subject", "relation", "other_subject"})


_LEXICON = {
    style: {
        (name, value): line[i].split(", ") for name, table in _TABLES.items() for value, line in table.items()
    }
    for i, style in enumerate(STYLES)
}


def wordings(style: str) -> dict[tuple[str, str], list[str]]:
    """Every wording of a value in a style, the plainest first; the forms of verbs are joined by "|"."""
    return {key: list(options) for key, options in _LEXICON[style].items()}


def vocabulary(style: str) -> dict[tuple[str, str], frozenset[str]]:
    """Every word by which a style can say a value: (attribute, value) -> words, function words among them."""
    phrases = wordings(style)
    if style == "storybook":
        for value, hour in _HOURS.items():
            phrases["time", value].append(hour)
        for value, skies in _SKIES.items():
            phrases["weather", value] += skies
    return {
        key: frozenset(word for option in options for word in option.replace("|", " ").split())
        for key, options in phrases.items()
    }


@dataclass(frozen=True)
class Caption:
    """A sentence and what it says: pairs of attribute and value, by the names of `world.said`."""

    text: str
    says: tuple[tuple[str, str], ...]

    @property
    def facts(self) -> dict[str, str]:
        """What it says, as a dictionary."""
        return dict(self.says)

    @property
    def truth(self) -> Truth:
        """What it is true of."""
        return Truth(allow(self.facts))


def write(
    scene: Scene, rng: random.Random, omit: float = 0.0, keep: Collection[str] = (), style: str = "storybook"
) -> Caption:
    """A caption of the scene.

    `omit` in [0, 1] is the probability that each fact is left out; subjects and relation never are,
    nor are the attributes in `keep` (those that the scene lacks are ignored there). With omit = 0
    everything is said, fair weather and daylight too. `style` is "storybook", plain sentences, or
    "sketchbook", the notes of a field naturalist. Raises ValueError for another style, an unknown
    attribute in `keep` or `omit` out of range.
    """
    if style not in STYLES:
        raise ValueError(f"Captions have no style {style!r}: choose {', '.join(STYLES)}.")
    if not 0 <= omit <= 1:
        raise ValueError(f"omit is a probability, not {omit}.")
    if unknown := set(keep) - set(ATTRIBUTES):
        raise ValueError(f"Captions cannot say {sorted(unknown)}.")
    facts = world.said(scene)
    told = {k: v for k, v in facts.items() if k in _ALWAYS or k in keep or rng.random() >= omit}
    return compose(told, rng, style)


def compose(told: dict[str, str], rng: random.Random, style: str = "storybook") -> Caption:
    """A caption of these facts; the same state of `rng` words other values of the same attributes alike."""
    text = (_sentence if style == "storybook" else _note)(told, rng)
    return Caption(text, tuple((name, told[name]) for name in ATTRIBUTES if name in told))


def describe(scene: Scene, n: int, seed: int, omit: float, style: str = "storybook") -> list[Caption]:
    """`n` captions of the scene, no two with the same text; fewer are the first of more.

    Deterministic from the arguments. Raises ValueError where the grammar has no `n` ways to say it.
    """
    rng = random.Random(f"{scene.meaning!r} {scene.seed} {seed} {omit} {style}")
    captions: dict[str, Caption] = {}
    for _ in range(100 + 50 * n):
        if len(captions) >= n:
            break
        caption = write(scene, rng, omit, style=style)
        captions.setdefault(caption.text, caption)
    if len(captions) < n:
        raise ValueError(f"Only {len(captions)} of {n} different captions found for {scene.meaning}.")
    return list(captions.values())


def canonical(scene: Scene) -> Caption:
    """The plainest full caption, always the same: the one to show with a clip."""
    return write(scene, _Plain(), style="storybook")


class _Plain(random.Random):
    """Chooses the first of everything, which the grammar keeps for the plainest wording."""

    def random(self) -> float:
        return 0.0

    def shuffle(self, x: object) -> None:
        pass


def _pick(rng: random.Random, options: Sequence[str]) -> str:
    """The first option twice as often as the others: the plain words are the common ones."""
    return options[max(0, int(rng.random() * (len(options) + 1)) - 1)]


def say(name: str, value: str, rng: random.Random, style: str = "storybook") -> list[str]:
    """One wording of a value, in its forms."""
    return _pick(rng, _LEXICON[style][name, value]).split("|")


def with_article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _noun(told: dict[str, str], rng: random.Random, role: str = "", after: bool = False) -> str:
    """An actor with what is told of it; `after` allows "a car that is red" beside "a red car"."""
    noun = say("subject", told[role + "subject"], rng)[0]
    traits = [say(n, told[role + n], rng)[0] for n in ("size", "colour") if role + n in told]
    behind = int(rng.random() * (len(traits) + 1)) if after and rng.random() > 0.7 else 0
    front, back = traits[: len(traits) - behind], traits[len(traits) - behind :]
    return " ".join(
        [with_article(" ".join([*front, noun])), *(["that is " + " and ".join(back)] if back else [])]
    )


def _setting(told: dict[str, str], rng: random.Random) -> list[str]:
    """The phrases of place, time and weather, in the order to say them."""
    hour = [say(n, told[n], rng)[0] for n in ("time", "weather") if n in told]
    if len(hour) == 2 and rng.random() > 0.6:
        hour = [f"on {with_article(_pick(rng, _SKIES[told['weather']]))} {_HOURS[told['time']]}"]
    rng.shuffle(hour)
    place = say("place", told["place"], rng) if "place" in told else []
    return place + hour if rng.random() < 0.65 else hour + place


def _sentence(told: dict[str, str], rng: random.Random) -> str:
    """Storybook style: a sentence or the noun phrase of one."""
    setting = _setting(told, rng)
    lead = int(rng.random() * len(setting)) + 1 if setting and rng.random() > 0.7 else 0
    before, behind = setting[:lead], setting[lead:]
    clause = (_duo if "relation" in told else _solo)(told, rng, behind, first=not lead)
    return f"{' '.join(before)}, {clause}" if before else clause


def _opener(rng: random.Random, first: bool) -> list[str]:
    return [_pick(rng, ("there is", "we see", "a clip of") if first else ("there is", "we see"))]


def _solo(told: dict[str, str], rng: random.Random, behind: list[str], first: bool) -> str:
    form = _pick(rng, ["finite", "progressive", "fragment", "there"] + ["inverted"] * first)
    opener = _opener(rng, first) if form == "there" else []
    if "motion" not in told:
        return " ".join([*opener, _noun(told, rng, after=True), *behind])
    finite, gerund = say("motion", told["motion"], rng)
    if form == "inverted":
        return " ".join([gerund, *behind, "is", _noun(told, rng)])
    actor = _noun(told, rng, after=form in ("finite", "progressive"))
    verb = {"finite": finite, "progressive": f"is {gerund}"}.get(form, gerund)
    return " ".join([*opener, actor, verb, *behind])


def _duo(told: dict[str, str], rng: random.Random, behind: list[str], first: bool) -> str:
    form = _pick(rng, ["finite", "progressive", "fragment", "there", "passive", "passive", "chased"])
    finite, gerund, participle = say("relation", told["relation"], rng)
    way = say("direction", told["direction"], rng) if "direction" in told else []
    whole = form in ("finite", "progressive", "passive")  # "a cat that is red chasing a dog" would limp
    if form in ("passive", "chased"):
        actor, other = _noun(told, rng), _noun(told, rng, "other_", after=whole)
        verb = f"is {participle}" if form == "passive" else participle
        agent = [*way, "by", actor] if rng.random() < 0.5 else ["by", actor, *way]
        return " ".join([other, verb, *agent, *behind])
    actor, other = _noun(told, rng, after=whole), _noun(told, rng, "other_")
    verb = {"finite": finite, "progressive": f"is {gerund}"}.get(form, gerund)
    opener = _opener(rng, first) if form == "there" else []
    return " ".join([*opener, actor, verb, other, *way, *behind])


def _note(told: dict[str, str], rng: random.Random) -> str:
    """Sketchbook style: the note of an observer, no articles and few verbs."""

    def noted(name: str, value: str) -> list[str]:
        return say(name, value, rng, "sketchbook")

    def actor(role: str = "", listed: bool = False) -> str:
        noun = noted("subject", told[role + "subject"])[0]
        traits = [noted(n, told[role + n])[0] for n in ("colour", "size") if role + n in told]
        rng.shuffle(traits)
        if listed and traits:
            return f"{noun} ({', '.join(traits)})"
        return " ".join([*traits, noun])

    setting = [noted(n, told[n])[0] for n in world.SETTING if n in told]
    rng.shuffle(setting)
    form = _pick(rng, ("headed", "trailing", "listed"))
    listed = form == "listed"
    if "relation" in told:
        _, gerund, participle = noted("relation", told["relation"])
        way = noted("direction", told["direction"]) if "direction" in told else []
        if rng.random() < 0.5:
            deed = f"{actor(listed=listed)} {gerund} {actor('other_')}"
        else:
            deed = f"{actor('other_', listed)} {participle} by {actor()}"
        deed = ", ".join([deed, *way])
    else:
        motion = noted("motion", told["motion"])[1:] if "motion" in told else []
        deed = (", " if form == "trailing" else " ").join([actor(listed=listed), *motion])
    count = _pick(rng, ("", "spotted: ", "note: "))
    if form == "headed" and setting:
        return f"{', '.join(setting)}: {deed}"
    return count + "; ".join([deed, ", ".join(setting)] if setting else [deed])

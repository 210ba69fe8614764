# SPDX-License-Identifier: Apache-2.0
"""Who, after a look at everything, is worth a comparison.

usage: analysis contenders --to FILE [OPTION...] RUN

Options are those of "recommend". One name a line, the best first, and behind
them, as "reference NAME", rows of reference that are as near. One that is far
away needs no comparison, and would make it long: batches have so many
operations that the shortest takes a millisecond.
"""

import sys

from . import recommend, situation
from .run_file import INCOMPLETE, Refused


def pick(question):
    """Names that may be chosen, and are near the best for some number of
    jobs."""
    found, references = {}, {}
    refusal = None
    for place in situation.places_of(question.found, []):
        answer = recommend.Answer(place, question.args.objective)
        here = situation.Situation(question.found, [], place)
        answer.options = here.options()
        recommend.check_left(answer, question)
        recommend.exclude(answer, here, question)
        screened = here.screened(question.args.objective)
        names = [n for n in answer.eligible() if n in screened.best]
        if not names:
            refusal = here.left_out
            continue
        for name in names:
            factor = screened.factor(name, names)
            if factor < situation.SCREENED_OUT or \
                    name == question.args.incumbent:
                found[name] = min(factor, found.get(name, factor))
        for name in recommend.REFERENCES:
            factor = screened.factor(name, names)
            if factor is not None and 1 / situation.SCREENED_OUT < factor < \
                    situation.SCREENED_OUT:
                references["reference " + name] = True
    if not found:
        raise Refused(INCOMPLETE, "nothing could be measured: " + "; ".join(
            f"{n}: {why}" for n, why in list((refusal or {}).items())[:3]))
    return sorted(found, key=found.get) + list(references)


def main(argv):
    to = None
    if argv and argv[0].startswith("--to="):
        to, argv = argv[0][len("--to="):], argv[1:]
    try:
        question = recommend.make_question(recommend.parse(argv))
        names = pick(question)
    except Refused as refused:
        print(f"switchyard: {refused}", file=sys.stderr)
        return refused.code
    text = "".join(name + "\n" for name in names)
    if to is None:
        print(text, end="")
        return 0
    with open(to, "w", encoding="utf-8") as f:
        f.write(text)
    return 0

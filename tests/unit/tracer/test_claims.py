from __future__ import annotations

from pathlib import Path

import pytest

from tracer.claims import Claims, claims_path, read_claims
from tracer.errors import MalformedClaims

DOCUMENT = "# Loading\n\ninsmod opens the file.\n"
EXPERIMENT = '[experiments.load]\nmodules."mymod.ko" = {}\n'
TEST = '{ experiment = "load", see = [{ type = "exit" }] }'


def claim(**changes: str) -> str:
    fields = {"id": '"open"', "quote": '"opens the file"', "says": '"it opens"', "tests": f"[{TEST}]", **changes}
    return "[[claims]]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items() if value)


def written(folder: Path, text: str) -> Path:
    document = folder / "doc.md"
    document.write_text(DOCUMENT)
    claims_path(document).write_text(text)
    return document


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("schema = 1 1", r"doc\.claims\.toml: .*line 1"),
        ("", "schema = 1 is the one"),
        ("schema = 2\n", "schema = 1 is the one"),
    ],
)
def test_a_file_that_cannot_be_read_at_all(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(MalformedClaims, match=complaint) as caught:
        read_claims(written(tmp_path, text))
    assert "\n" not in str(caught.value)


TOP = "schema = 1\n" + EXPERIMENT  # three lines; what is wrong comes below


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("claim = 1\n" + TOP, 1, "unknown key 'claim'"),
        (TOP + "module = 1\n", 4, "[experiments.load]: unknown key 'module'"),
        (TOP + 'survey = "yes"\n', 4, "[experiments.load]: 'survey' is true or false"),
        (TOP + 'prepare = "true"\n', 4, "[experiments.load]: 'prepare' is a list of texts"),
        (TOP + "with = ['module-eaten']\n", 4, "unknown preparation 'module-eaten'; there are"),
        (TOP + "with = ['without-capability']\n", 4, "wants without-capability:NAME"),
        (TOP + "with = ['module-loaded:x']\n", 4, "'module-loaded' takes no argument"),
        (TOP + "loaders = ['modprob']\n", 4, "unknown loader 'modprob'; there are"),
        (TOP + "like = 'nothing'\n", 4, "there is no experiment 'nothing' to be like"),
        (TOP + "calls = [{ call = 'fork' }]\n", 4, "unknown call 'fork'"),
        (TOP + "calls = [{ call = 'finit_module', image = 1 }]\n", 4, "finit_module: unknown key 'image'"),
        (TOP + "calls = [{ call = 'delete_module', flags = ['O_TRUNK'] }]\n", 4, "unknown flag 'O_TRUNK'"),
        (TOP + "calls = [{ call = 'finit_module', fd = { openat = 'x' } }]\n", 4, "fd is a number, or a table"),
        (TOP + 'modules."b.ko" = { fault = [] }\n', 4, "unknown key 'fault'"),
        (TOP + 'modules."b.ko" = { faults = ["not-elv"] }\n', 4, "no fault 'not-elv'"),
        (TOP + 'modules."b.ko" = { compression = "bz2" }\n', 4, "unknown compression 'bz2'; there are xz"),
        (TOP + 'modules."b.ko" = { init = { returns = 2147483648 } }\n', 4, "'returns' is a number from -2147483648"),
        (TOP + 'modules."b.ko" = { init = { sleep_ms = -1 } }\n', 4, "'sleep_ms' is a number from 0 to 2147483647"),
        (TOP + claim(quote=""), 4, "claim 'open': 'quote' is missing"),
        (TOP + claim(id=""), 4, "claim 'number 1': 'id' is missing"),
        (TOP + claim(tests="[]"), 8, "'tests' is missing"),
        (TOP + claim(verdict='"confirmed"'), 9, "unknown key 'verdict'"),
        (TOP + claim(quote='"closes the file"'), 6, "the document does not say 'closes the file'"),
        (TOP + claim() + claim(), 10, "the id is used twice"),
        (TOP + claim(tests='[{ experiment = "lode", see = [{ type = "exit" }] }]'), 8, "no experiment 'lode'"),
        (TOP + claim(tests='[{ experiment = "load" }]'), 8, "must see something"),
        (TOP + claim(tests='[{ experiment = "load", sea = [] }]'), 8, "unknown key 'sea'"),
        (TOP + claim(tests='[{ experiment = "load", never = [{ type = "log" }] }]'), 8, "an empty trace"),
        (TOP + claim(tests='[{ experiment = "load", see = [{ name = "x" }] }]'), 4, "names the record's type"),
        (TOP + claim(tests='[{ experiment = "load", see = [{ type = "call" }] }]'), 8, "unknown type 'call'"),
        (
            TOP + claim(tests='[{ experiment = "load", see = [{ type = "log", text = { like = "x" } }] }]'),
            8,
            "'like': unknown operator of text",
        ),
        (TOP + "[claims]\nid = 1\n", 4, "write [[claims]]"),
        (TOP + '[[moments]]\nid = "x"\n', 4, "moment number 1: 'quote' is missing"),
        (TOP + '[[moments]]\nid = "x"\nquote = "no such"\nsays = "y"\n', 6, "does not say 'no such'"),
        ("errors_of = ['init_module']\n" + TOP, 1, "no list of the errors of init_module()"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    document = written(tmp_path, text)
    found = read_claims(document).problems
    assert [problem.line for problem in found] == [line], found
    assert complaint in str(found[0])
    assert str(found[0]).startswith(f"{claims_path(document)}:{line}: ")
    assert "\n" not in str(found[0])


def test_the_rest_of_the_file_is_used(tmp_path: Path) -> None:
    found = read_claims(written(tmp_path, TOP + claim(quote='"closes"', id='"close"') + claim()))
    assert [one.id for one in found.claims] == ["close", "open"]
    assert "does not say 'closes'" in (found.claims[0].broken or "")
    assert found.claims[1].broken is None


def test_a_wrong_experiment_is_kept_as_broken(tmp_path: Path) -> None:
    found = read_claims(written(tmp_path, TOP + "module = 1\n" + claim()))
    assert "doc.claims.toml:4: unknown key 'module'" in (found.experiments["load"].broken or "")
    assert found.claims[0].broken is None


class TestOpenPlaces:
    """Quotes that the document completes."""

    CLAIM = claim(
        quote="'opens the {what}'",
        says="'it opens the $what'",
        words="{ what = ['file', 'door'] }",
        tests="""[
            { experiment = "load", when = { what = "file" }, see = [{ type = "log", text = "$what" }] },
            { experiment = "load", when = { what = "door" }, see = [{ type = "exit" }] },
        ]""",
    )

    def test_what_the_document_says_chooses_the_test(self, tmp_path: Path) -> None:
        (found,) = read_claims(written(tmp_path, TOP + self.CLAIM)).claims
        assert (found.quote, found.says) == ("opens the file", "it opens the file")
        assert [test.see for test in found.tests] == [({"type": "log", "text": "file"},)]

    def test_another_word_chooses_another(self, tmp_path: Path) -> None:
        document = written(tmp_path, TOP + self.CLAIM)
        document.write_text(DOCUMENT.replace("file", "door"))
        (found,) = read_claims(document).claims
        assert [test.see for test in found.tests] == [({"type": "exit"},)]

    def test_a_word_that_is_not_listed_is_no_match(self, tmp_path: Path) -> None:
        document = written(tmp_path, TOP + self.CLAIM)
        document.write_text(DOCUMENT.replace("file", "tap"))
        assert "does not say" in read_claims(document).problems[0].text

    def test_a_word_without_a_test_is_named(self, tmp_path: Path) -> None:
        text = self.CLAIM.replace("['file', 'door']", "['file', 'door', 'tap']")
        document = written(tmp_path, TOP + text)
        document.write_text(DOCUMENT.replace("file", "tap"))
        assert "no test for what the document says: {'what': 'tap'}" in read_claims(document).problems[0].text


STEPS = "### Step 1: One\n\nfirst\n\n### Step 2: Two\n\nsecond\n\n### Step 3: Three\n\nthird\n"


def moments(*names: str) -> str:
    return "".join(
        f'[[moments]]\nid = "{name}"\nquote = "{name}"\nsays = "the {name} thing"\n'
        f'seen = {{ type = "log", text = "{name}" }}\n'
        f'faults = ["name:{name}"]\ncomplains = [{{ type = "log", text = "no {name}" }}]\n'
        for name in names
    )


class TestMoments:
    """Claims about the order, which the document's own order makes."""

    def read(self, folder: Path, document: str, text: str) -> Claims:
        path = written(folder, TOP + text)
        path.write_text(document)
        return read_claims(path)

    def test_neighbours_are_compared_by_trace_and_by_paired_faults(self, tmp_path: Path) -> None:
        found = self.read(tmp_path, STEPS, moments("first", "second"))
        (claim_,) = found.claims
        assert claim_.id == "order-first-second"
        assert claim_.says == "step 1 (the first thing) comes before step 2 (the second thing)"
        by_trace, both, alone = claim_.tests
        assert [selector["text"] for selector in by_trace.order] == ["first", "second"]
        assert found.experiments[both.experiment].modules["mymod.ko"]["faults"] == ["name:first", "name:second"]
        assert found.experiments[alone.experiment].modules["mymod.ko"]["faults"] == ["name:second"]

    def test_another_order_in_the_document_makes_other_claims(self, tmp_path: Path) -> None:
        swapped = STEPS.replace("first", "x").replace("third", "first").replace("x", "third")
        found = self.read(tmp_path, swapped, moments("first", "second", "third"))
        assert [one.id for one in found.claims] == ["order-third-second", "order-second-first", "order-of-load"]
        assert found.claims[0].says == "step 1 (the third thing) comes before step 2 (the second thing)"

    def test_what_the_document_does_not_tell_is_named(self, tmp_path: Path) -> None:
        found = self.read(tmp_path, STEPS.replace("second", ""), moments("first", "second", "third"))
        assert [one.id for one in found.claims] == ["order-second", "order-first-third"]
        assert "does not say 'second'" in (found.claims[0].broken or "")
        assert len(found.problems) == 1

    def test_a_quote_that_moved_takes_its_step_along(self, tmp_path: Path) -> None:
        moved = claim(quote="'third'", step="2")
        assert self.read(tmp_path, STEPS, moved).claims[0].step == 3

    def test_a_quote_in_several_steps_is_that_of_its_step(self, tmp_path: Path) -> None:
        assert (
            self.read(tmp_path, STEPS.replace("third", "first"), claim(quote="'first'", step="3")).claims[0].step == 3
        )


ERRORS = "## NAME\n\nf, g - do things\n\n## ERRORS\n\n- EPERM: not allowed.\n\n- EIO: trouble.\n"


class TestErrors:
    """Claims that follow from a list of errors."""

    def test_each_call_s_list_is_claimed_to_be_complete(self, tmp_path: Path) -> None:
        document = written(tmp_path, 'errors_of = ["f"]\n' + TOP + claim(quote="'EPERM: not allowed'"))
        document.write_text(ERRORS)
        found = read_claims(document)
        assert [one.id for one in found.claims] == ["open", "errors-of-f", "error-f-EIO"]
        assert found.claims[1].tests[0].errnos == ("EPERM", "EIO")
        assert found.claims[2].tests == ()


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalformedClaims, match=r"nothing\.md: No such file"):
        read_claims(tmp_path / "nothing.md")


def test_missing_claims_are_named(tmp_path: Path) -> None:
    (tmp_path / "doc.md").write_text(DOCUMENT)
    with pytest.raises(
        MalformedClaims, match=r"doc\.md: there are no claims beside it, in .*doc\.claims\.toml; --claims"
    ):
        read_claims(tmp_path / "doc.md")


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    found = read_claims(written(tmp_path, "schema = 1\n" + EXPERIMENT + claim(step="2")))
    assert [one.id for one in found.claims] == ["open"]
    assert found.claims[0].step == 2
    assert found.experiments["load"].file == "mymod.ko"


class TestOurOwn:
    """The project's own document and its claims."""

    DOCUMENT = Path(__file__).parents[3] / "docs/loading-a-module.md"

    def test_every_step_and_every_row_has_claims(self) -> None:
        found = read_claims(self.DOCUMENT).claims
        assert {claim.step for claim in found if claim.step} == set(range(1, 15))
        assert {claim.row for claim in found if claim.row} == {"F1", "F2", "F3", "F4"}

    def test_nothing_is_wrong_with_it(self) -> None:
        assert read_claims(self.DOCUMENT).problems == ()

    def test_every_experiment_is_used_by_a_claim(self) -> None:
        found = read_claims(self.DOCUMENT)
        assert {test.experiment for claim in found.claims for test in claim.tests} == set(found.experiments)

    def test_no_verdict_is_written_down(self) -> None:
        text = claims_path(self.DOCUMENT).read_text()
        assert "confirmed" not in text
        assert "contradicted" not in text

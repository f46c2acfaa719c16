"""Loading, choosing and checking fixtures; every defect gets one sentence with the mend."""

import hashlib
import json
import shutil
import subprocess
import sys
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench import fixture_toml, fixture_wav
from bench.fixture_records import Cue, FixtureError
from bench.fixtures import (
    fixture_paths,
    fixtures_root,
    load,
    read_pcm,
    select,
    verify,
    verify_all,
)
from bench.fixtures_cli import app

COMMITTED = Path(__file__).parents[2] / "fixtures"
SAMPLE = ["hes_red_block", "cmd_stop", "conv_references", "cmd_turn_left", "cmd_turn_left.pink10"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with copies of a few committed fixtures."""
    for name in SAMPLE:
        for turn in load(COMMITTED / f"{name}.toml").turns:
            shutil.copy(turn.wav, tmp_path)
        shutil.copy(COMMITTED / f"{name}.toml", tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def rewrite(root: Path, data: bytes) -> Path:
    """Replaces the audio of cmd_stop and its checksum."""
    toml = root / "cmd_stop.toml"
    turn = load(toml).turns[0]
    turn.wav.write_bytes(data)
    return edit(toml, turn.sha256, hashlib.sha256(data).hexdigest())


def wav(frames: int = 1000, channels: int = 1, width: int = 2, rate_hz: int = 16_000) -> bytes:
    import io

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate_hz)
        out.writeframes(bytes(frames * channels * width))
    return buffer.getvalue()


def test_a_fixture_has_its_words_limits_and_expectation(root: Path) -> None:
    fixture = load(root / "hes_red_block.toml")
    (turn,) = fixture.turns
    assert (fixture.name, fixture.kind, fixture.labels) == (
        "hes_red_block",
        "hesitation",
        "synthesis",
    )
    assert " ".join(w.word for w in turn.words) == turn.text == "pick up the red block"
    assert len(turn.speech) == 2
    assert len(turn.pauses) == 1
    assert turn.pauses[0].end - turn.pauses[0].start == 700 * 16
    assert turn.u_on_sample == turn.speech[0].audible_start
    assert turn.u_off_sample == turn.speech[1].audible_end - 1
    assert turn.duration_s == turn.samples / 16_000
    assert turn.expect.slots == {"colour": ("red",), "object": ("block",)}


def test_a_conversation_cues_its_later_turns_on_the_agent(root: Path) -> None:
    cues = [turn.cue for turn in load(root / "conv_references.toml").turns]
    assert cues == [Cue("start", 500)] + 4 * [Cue("agent_end", 800)]


def test_the_audio_is_read_as_int16(root: Path) -> None:
    turn = load(root / "cmd_stop.toml").turns[0]
    pcm = read_pcm(turn)
    assert pcm.dtype == np.int16
    assert pcm.shape == (turn.samples,)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damage_to_a_file_raises_nothing_but_a_sentence(root: Path, data: st.DataObject) -> None:
    name, head = data.draw(
        st.sampled_from([("hes_red_block.toml", 900), ("hes_red_block.wav", 44)])
    )
    damaged = bytearray((COMMITTED / name).read_bytes())
    places = st.tuples(st.integers(0, head - 1), st.integers(0, 255))
    for at, byte in data.draw(st.lists(places, max_size=4)):
        damaged[at] = byte
    cut = data.draw(st.one_of(st.none(), st.integers(0, head)))
    for file in ("hes_red_block.toml", "hes_red_block.wav"):
        shutil.copy(COMMITTED / file, root)
    (root / name).write_bytes(damaged[:cut])
    try:
        fixture = load(root / "hes_red_block.toml")
    except FixtureError as error:
        assert str(root) in str(error)
    else:
        assert fixture.duration_s > 0


def test_identity_changes_with_text_and_with_audio(root: Path) -> None:
    toml = root / "cmd_stop.toml"
    before = load(toml).sha256
    edit(toml, "timeout_s = 10.0", "timeout_s = 9.0")
    assert load(toml).sha256 != before


def test_writing_and_reading_gives_the_same_records(root: Path) -> None:
    for path in fixture_paths(root):
        fixture = load(path)
        event = replace(fixture.turns[-1], event="side_talk", cue=Cue("previous_end", 3))
        fixture = replace(fixture, turns=(*fixture.turns[:-1], event))
        odd = replace(fixture, origin='a "quoted" \\ \x7f\t ü', scene="two\nlines")
        assert fixture_toml.parse(path, fixture_toml.dump(odd).encode(), odd.sha256) == odd


DEFECTS = {
    'name = "cmd_stop"': ('name = "stop"', "make them equal"),
    'kind = "command"': ('kind = "comand"', "use one of"),
    'licence = "CC0-1.0"': ("", "misses 'licence'"),
    'labels = "synthesis"': ('labels = "guess"', "use one of synthesis"),
    'tags = ["quick", "clean"]': ("tags = [1]", "a list of strings"),
    "rate_hz = 16000": ("rate_hz = 8000", "resample"),
    "samples = ": ("samples = 9", "samples"),
    'text = "stop"': ("text = 3", "text must be a string"),
    'after = "start"': ('after = "soon"', "use one of start"),
    "delay_ms = 500": ("delay_ms = -1", "delay_ms ≥ 0"),
    "timeout_s = 10.0": ("timeout_s = true", "a number"),
    "speech = [": ("speach = [", "misses 'speech'"),
    "phone_start = ": ("phone_begin = ", "misses 'phone_start'"),
    "audible_start = ": ("audible_start = 99", "correct the label"),
    "words = [": ("wordz = [", "unknown key 'wordz'; remove it"),
    "respond = true": ('respond = "yes"', "true or false"),
    'intent = "stop"': ('intnt = "stop"', "unknown key 'intnt'"),
    "[[turn]]": ("[[turn]]\n[", "not valid TOML"),
    "[turn.expect]": ('[turn.expect]\nnever = "go"', "expect.never must be a list of strings"),
    'wav = "cmd_stop.wav"': ('wav = "../cmd_stop.wav"', "own folder"),
    "cue = {": ("cue = 3 # {", "a table"),
}


EVENT_DEFECTS = {
    'event = "shout"': "event is 'shout'; use one of interruption, backchannel, cough, side_talk",
    "event = 3": "event must be a string",
    'event = "backchannel"': "is a backchannel, which needs an agent that speaks",
}


@pytest.mark.parametrize("line", EVENT_DEFECTS)
def test_an_event_of_an_unknown_kind_or_without_an_agent_is_refused(root: Path, line: str) -> None:
    path = edit(root / "cmd_stop.toml", "timeout_s = 10.0", f"timeout_s = 10.0\n{line}")
    with pytest.raises(FixtureError) as error:
        load(path)
    assert f"{path}: turn 1" in str(error.value)
    assert EVENT_DEFECTS[line] in str(error.value)


def test_only_a_cough_has_no_text(root: Path) -> None:
    path = root / "conv_references.toml"
    second = load(path).turns[1].text
    edit(path, f'text = "{second}"', 'text = ""')
    with pytest.raises(FixtureError, match="turn 2 has an empty text"):
        load(path)
    edit(path, 'text = ""', 'text = ""\nevent = "cough"')
    assert load(path).turns[1].event == "cough"


@pytest.mark.parametrize("old", DEFECTS)
def test_a_defect_of_the_text_names_the_file_and_the_mend(root: Path, old: str) -> None:
    new, mend = DEFECTS[old]
    path = edit(root / "cmd_stop.toml", old, new)
    with pytest.raises(FixtureError) as error:
        load(path)
    assert str(path.parent) in str(error.value)
    assert mend in str(error.value)
    assert str(error.value).count("\n") == 0
    assert str(error.value).endswith(".")


AUDIO_DEFECTS = {
    "empty": (b"", "is empty"),
    "no WAV": (b"RIFF....", "not a 16-bit PCM WAV"),
    "text": (b"hello, world", "not a 16-bit PCM WAV"),
    "stereo": (wav(channels=2), "2 channel(s)"),
    "8 bit": (wav(width=1), "8 bit"),
    "another rate": (wav(rate_hz=44_100), "44100 Hz"),
    "truncated": (wav(1000)[:-500], "truncated, its header says 1000 samples but 750"),
    "no samples": (wav(0), "no samples"),
    "float": (wav()[:20] + b"\x03" + wav()[21:], "unknown format"),
    "shorter": (wav(10), "has 10 samples"),
}


@pytest.mark.parametrize("name", AUDIO_DEFECTS)
def test_a_defect_of_the_audio_names_the_file_and_the_mend(root: Path, name: str) -> None:
    data, complaint = AUDIO_DEFECTS[name]
    path = rewrite(root, data)
    with pytest.raises(FixtureError) as error:
        load(path)
    assert "cmd_stop.wav" in str(error.value)
    assert complaint in str(error.value)
    assert any(mend in str(error.value) for mend in ("restore", "fixtures add"))


def test_changed_audio_is_refused_by_its_checksum(root: Path) -> None:
    toml = root / "cmd_stop.toml"
    turn = load(toml).turns[0]
    data = bytearray(turn.wav.read_bytes())
    data[-1] ^= 1
    turn.wav.write_bytes(data)
    for reading in (lambda: load(toml), lambda: read_pcm(turn)):
        with pytest.raises(FixtureError, match="sha256 is not that of the TOML"):
            reading()


def test_missing_files_are_named(root: Path) -> None:
    (root / "cmd_stop.wav").unlink()
    with pytest.raises(FixtureError, match=r"cmd_stop\.wav: can't be read"):
        load(root / "cmd_stop.toml")
    with pytest.raises(FixtureError, match=r"nothing\.toml: can't be read"):
        load(root / "nothing.toml")


def test_labels_out_of_order_are_refused(root: Path) -> None:
    path = root / "hes_red_block.toml"
    lines = path.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if '"pick", start' in line)
    lines[first], lines[first + 1] = lines[first + 1], lines[first]
    path.write_text("\n".join(lines))
    with pytest.raises(FixtureError, match="words are not in order"):
        load(path)


def test_variant_and_base_go_together(root: Path) -> None:
    path = edit(root / "cmd_turn_left.pink10.toml", 'base = "cmd_turn_left"\n', "")
    with pytest.raises(FixtureError, match="both variant and base"):
        load(path)


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("cmd_stop", ["cmd_stop"]),
        ("quick", ["cmd_stop", "conv_references", "hes_red_block"]),
        ("clean", ["cmd_stop", "cmd_turn_left", "conv_references", "hes_red_block"]),
        ("all", sorted(SAMPLE)),
        ("cmd_turn*", ["cmd_turn_left", "cmd_turn_left.pink10"]),
        ("command", ["cmd_stop", "cmd_turn_left"]),
        ("pink10", ["cmd_turn_left.pink10"]),
        ("hesitation, cmd_stop ,hes_*", ["cmd_stop", "hes_red_block"]),
    ],
)
def test_a_selector_takes_names_globs_tags_kinds_and_variants(
    root: Path, selector: str, names: list[str]
) -> None:
    assert [f.name for f in select(selector, root)] == names


def test_an_unknown_selector_names_what_is_near_and_what_exists(root: Path) -> None:
    with pytest.raises(FixtureError) as error:
        select("cmd_stopp", root)
    assert "did you mean cmd_stop" in str(error.value)
    assert "groups: all, clean, command" in str(error.value)
    with pytest.raises(FixtureError, match="the selector is empty"):
        select(" , ", root)


def test_a_defective_fixture_does_not_hinder_the_choice_of_another_by_name(root: Path) -> None:
    (root / "broken.toml").write_text("name =")
    assert [f.name for f in select("cmd_stop", root)] == ["cmd_stop"]
    with pytest.raises(FixtureError, match=r"broken\.toml"):
        select("quick", root)


def test_the_folder_can_be_chosen_by_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DUPLEX_LAB_FIXTURES", raising=False)
    assert fixtures_root() == COMMITTED
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(root))
    assert len(select("all")) == len(SAMPLE)
    monkeypatch.setenv("DUPLEX_LAB_FIXTURES", str(root / "none"))
    with pytest.raises(FixtureError, match="no such folder; set DUPLEX_LAB_FIXTURES"):
        fixtures_root()


def test_verifying_finds_labels_that_the_audio_does_not_bear_out(root: Path) -> None:
    assert verify_all(fixture_paths(root)) == []
    fixture = load(root / "hes_red_block.toml")
    (turn,) = fixture.turns
    pcm = read_pcm(turn)
    pcm[turn.pauses[0].start + 2000] = 16_000
    pcm[turn.u_off_sample + 1000] = 16_000
    data = fixture_wav.encode(pcm)
    turn.wav.write_bytes(data)
    turn = replace(turn, sha256=hashlib.sha256(data).hexdigest(), text="pick up the blue block")
    texts = [p.text for p in verify(replace(fixture, turns=(turn,)))]
    assert len(texts) == 3
    assert f"heard from {turn.u_on_sample} to {turn.u_off_sample + 1000}" in texts[0]
    assert "is audible" in texts[1]
    assert "not those of text" in texts[2]


def test_verifying_holds_a_variant_to_the_labels_of_its_base(root: Path) -> None:
    variant = load(root / "cmd_turn_left.pink10.toml")
    moved = replace(variant.turns[0], words=())
    assert "labels differ" in verify(replace(variant, turns=(moved,)))[0].text
    (root / "cmd_turn_left.toml").unlink()
    assert "does not exist" in verify(variant)[0].text


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def test_the_command_lists_as_a_table_and_as_json(root: Path) -> None:
    code, out, _ = run("list", "--root", root, "--tag", "quick")
    assert code == 0
    assert "hes_red_block" in out
    assert "cmd_turn_left" not in out
    code, out, _ = run("list", "pink10", "--root", root, "--json")
    assert [row["base"] for row in json.loads(out)] == ["cmd_turn_left"]


def test_the_command_shows_one_fixture_with_times(root: Path) -> None:
    code, out, _ = run("show", "cmd_stop", "--root", root)
    assert code == 0
    assert "# cmd_stop.wav: audible 0." in out


def test_the_command_verifies_all_though_one_is_broken(root: Path) -> None:
    code, out, err = run("verify", "--root", root)
    assert (code, out, err) == (0, "5 fixtures checked, 0 problems\n", "")
    (root / "cmd_stop.wav").write_bytes(b"")
    (root / "conv_references.2.wav").write_bytes(b"")
    code, out, err = run("verify", "--root", root)
    assert code == 1
    assert "2 problems" in out
    assert [line.split(":")[0] for line in err.splitlines()] == ["cmd_stop", "conv_references"]


def test_bad_input_to_the_command_is_a_sentence_on_stderr_and_exit_2(root: Path) -> None:
    for arguments in (("show", "nothing"), ("verify", "nothing"), ("list", "nothing")):
        code, out, err = run(*arguments, "--root", root)
        assert (code, out) == (2, "")
        assert err.startswith("no fixture matches 'nothing'")
    code, _, err = run("verify", "--root", root / "none")
    assert (code, err) == (2, "no fixtures are found; see --root, or make fixtures.\n")


def test_importing_the_loader_and_the_command_loads_nothing_heavy() -> None:
    code = "import sys, bench.fixtures_cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pipecat", "onnxruntime", "soundfile", "scipy", "soxr", "pyarrow"}
    assert not heavy & set(done.stdout.split())

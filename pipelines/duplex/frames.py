"""A duplex model's Pipecat frames: input audio as samples, its text, its context's end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pipecat.frames.frames import (
    ControlFrame,
    DataFrame,
    InputAudioRawFrame,
    LLMTextFrame,
    TTSTextFrame,
)
from pipecat.utils.text.base_text_aggregator import TextType

from pipelines.errors import LabError

_INT16 = np.float32(32768)


class TextRefusedError(LabError):
    """A model can't be made to say a text; the conversation goes on without it."""


@dataclass
class ConditionFrame(DataFrame):
    """What the model is to have in mind from now on, where it has a condition for that.

    Parameters:
        text: In words; empty: nothing any more.
    """

    text: str


@dataclass
class DuplexContextEndFrame(ControlFrame):
    """The model's context is full: it is silent from now on, or has started over.

    Parameters:
        policy: ``stop`` or ``reset``.
        text: The same in a sentence.
    """

    policy: str
    text: str


def text_frames(text: str) -> list[LLMTextFrame | TTSTextFrame]:
    """A piece of the model's text, in the form of Pipecat's speech-to-speech services.

    The first is for RTVI, the second for the context; neither is to be spoken again.
    """
    if not text:
        return []
    written = LLMTextFrame(text)
    written.append_to_context = False
    spoken = TTSTextFrame(text, text_type=TextType.TOKEN)
    spoken.includes_inter_frame_spaces = True
    written.skip_tts = spoken.skip_tts = True
    return [written, spoken]


def mono(frame: InputAudioRawFrame) -> npt.NDArray[np.float32]:
    """(n,) float32 in ±1; the mean of the channels."""
    pcm = np.frombuffer(frame.audio, np.int16).astype(np.float32) / _INT16
    if frame.num_channels > 1:
        pcm = pcm.reshape(-1, frame.num_channels).mean(axis=1, dtype=np.float32)
    return pcm

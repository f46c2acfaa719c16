"""Names of the files in a folder of duplex-nano's weights."""

EAR_NAME = "user_encoder.onnx"
EAR_WORDS = "user_words.txt"
LM_NAME = "lm.onnx"
DECODER = "codec_decoder.onnx"

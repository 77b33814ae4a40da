"""Writes the vectors in this directory with the Python package zfec; see README.md."""

import hashlib
import io
import pathlib
import tempfile

import zfec
from zfec import filefec

HERE = pathlib.Path(__file__).parent

CODES = [(1, 2), (1, 256), (2, 3), (2, 2), (3, 10), (5, 7), (7, 10), (10, 14), (16, 32),
         (25, 100), (60, 100), (100, 256), (128, 256), (255, 256)]
LENGTHS = [0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 255, 257, 511, 513, 1021,
           4096, 10007]
PLAIN_HEX_BYTES = 48


def noise(seed, length):
    state = seed ^ 0x9E3779B97F4A7C15
    noise = bytearray()
    for _ in range(length):
        state = (state * 0x5851F42D4C957F2D + 0x14057B7EF767814F) % 2**64
        noise.append(state >> 56)
    return bytes(noise)


def check_numbers(needed, total):
    return tuple(range(needed, total))


def matrix_rows(needed, total):
    """Returns the generator's rows below the identity, by encoding the unit vectors."""
    unit_vectors = tuple(bytes(int(i == j) for i in range(needed)) for j in range(needed))
    return b"".join(zfec.Encoder(needed, total).encode(unit_vectors, check_numbers(needed, total)))


def write_matrices():
    with open(HERE / "matrices.txt", "w") as out:
        for needed in range(1, 257):
            digest = hashlib.sha256()
            for total in range(needed, 257):
                digest.update(matrix_rows(needed, total))
            print(needed, digest.hexdigest(), file=out)


def write_blocks():
    with open(HERE / "blocks.txt", "w") as out:
        for needed, total in CODES:
            for length in LENGTHS:
                primary = tuple(noise(number, length) for number in range(needed))
                check = zfec.Encoder(needed, total).encode(primary, check_numbers(needed, total))
                together = b"".join(check)
                if len(together) <= PLAIN_HEX_BYTES:
                    shown = "hex:" + together.hex()
                else:
                    shown = "sha256:" + hashlib.sha256(together).hexdigest()
                print(needed, total, length, shown, file=out)


FILE_CODES = [(1, 1), (1, 2), (2, 3), (3, 8), (3, 10), (5, 5), (7, 16), (25, 100), (100, 256)]
FILE_LENGTHS = [0, 1, 2, 3, 24, 25, 4095, 4096, 4097, 12287, 12288, 12289, 102399, 102400, 102401]


def write_share_files():
    with open(HERE / "share_files.txt", "w") as out:
        for needed, total in FILE_CODES:
            for length in FILE_LENGTHS:
                with tempfile.TemporaryDirectory() as directory:
                    data = io.BytesIO(noise(length, length))
                    filefec.encode_to_files(data, length, directory, "data", needed, total)
                    digest = hashlib.sha256()
                    for share_file in sorted(pathlib.Path(directory).iterdir()):
                        digest.update(share_file.name.encode() + share_file.read_bytes())
                    print(needed, total, length, digest.hexdigest(), file=out)


write_matrices()
write_blocks()
write_share_files()

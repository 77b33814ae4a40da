use super::*;
use crate::encoder::Encoder;

fn decoder() -> Decoder {
    Decoder::new(2, 4).expect("valid")
}

fn reconstruct(
    blocks: &[(u8, &[u8])],
    wanted: &[u8],
    lengths: &[usize],
) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut blocks_out: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![0; length]).collect();
    let mut out: Vec<&mut [u8]> = blocks_out.iter_mut().map(Vec::as_mut_slice).collect();
    decoder().reconstruct(blocks, wanted, &mut out)?;
    Ok(blocks_out)
}

#[test]
fn makes_any_block_from_any_two() {
    let all = Encoder::new(2, 4).expect("valid").encode_segment(b"abcdef");
    for (first, second) in [(0, 1), (1, 0), (0, 3), (3, 2), (2, 1)] {
        let given = [
            (first, &all[usize::from(first)][..]),
            (second, &all[usize::from(second)]),
        ];
        let blocks = reconstruct(&given, &[3, 0, 1, 2, 1], &[3; 5]).expect("valid");
        assert_eq!(
            blocks,
            [&all[3], &all[0], &all[1], &all[2], &all[1]].map(Vec::clone)
        );
    }
}

#[test]
fn tells_what_is_missing() {
    assert_eq!(decoder().missing(&[3, 1]), [0]);
    assert_eq!(decoder().missing(&[]), [0, 1]);
    assert!(decoder().missing(&[1, 0, 3]).is_empty());
}

#[test]
fn refuses_what_does_not_fit() {
    let check = |blocks: &[(u8, &[u8])], wanted: &[u8], lengths: &[usize], expected| {
        assert_eq!(reconstruct(blocks, wanted, lengths), Err(expected));
    };
    let good: &[(u8, &[u8])] = &[(0, b"a"), (3, b"b")];
    check(
        &good[..1],
        &[],
        &[],
        DecodeError::BlockCount {
            given: 1,
            needed: 2,
        },
    );
    let three = [good[0], good[1], (2, b"c")];
    check(
        &three,
        &[],
        &[],
        DecodeError::BlockCount {
            given: 3,
            needed: 2,
        },
    );
    let unknown = DecodeError::NoSuchBlock {
        number: 4,
        total: 4,
    };
    check(&[(0, b"a"), (4, b"b")], &[], &[], unknown);
    check(
        &[(3, b"a"), (3, b"a")],
        &[],
        &[],
        DecodeError::Duplicate { number: 3 },
    );
    let uneven = DecodeError::BlockLength {
        number: 3,
        length: 0,
        expected: 1,
    };
    check(&[(0, b"a"), (3, b"")], &[], &[], uneven);
    check(good, &[4], &[1], unknown);
    check(
        good,
        &[1],
        &[],
        DecodeError::OutputCount {
            given: 0,
            wanted: 1,
        },
    );
    let long = DecodeError::OutputLength {
        index: 0,
        length: 2,
        expected: 1,
    };
    check(good, &[1], &[2], long);
}

#[test]
fn segments_end_where_they_are_said_to() {
    let all = Encoder::new(2, 4).expect("valid").encode_segment(b"abcde");
    let given = [(2, &all[2][..]), (3, &all[3][..])];
    for length in 0..=5 {
        let expected = b"abcde"[..length].to_vec();
        assert_eq!(decoder().decode_segment(&given, length), Ok(expected));
    }
    let too_long = DecodeError::SegmentLength {
        length: 7,
        capacity: 6,
    };
    assert_eq!(decoder().decode_segment(&given, 7), Err(too_long));
}

#[test]
fn empty_blocks_are_checked_too() {
    assert_eq!(
        decoder().decode_segment(&[(0, b""), (3, b"")], 0),
        Ok(Vec::new())
    );
    let twice = decoder().decode_segment(&[(3, b""), (3, b"")], 0);
    assert_eq!(twice, Err(DecodeError::Duplicate { number: 3 }));
    let none = decoder().decode_segment(&[], 0);
    assert_eq!(
        none,
        Err(DecodeError::BlockCount {
            given: 0,
            needed: 2
        })
    );
}

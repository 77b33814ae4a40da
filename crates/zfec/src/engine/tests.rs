//! Every engine against the reference.

use proptest::prelude::*;

use super::*;

/// Multiplies with an engine, with each input and output differently aligned inside a larger buffer,
/// and checks that nothing around the outputs was touched.
fn product(engine: Engine, rows: &[Vec<u8>], inputs: &[Vec<u8>], shift: usize) -> Vec<Vec<u8>> {
    const GUARD: u8 = 0xa5;
    let length = inputs[0].len();
    let place = |index: usize| {
        let start = (shift + 37 * index) % 64;
        start..start + length
    };
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let shifted = inputs.iter().enumerate().map(|(index, input)| {
        let mut buffer = vec![GUARD; length + 64];
        buffer[place(index)].copy_from_slice(input);
        buffer
    });
    let shifted: Vec<Vec<u8>> = shifted.collect();
    let inputs = shifted
        .iter()
        .enumerate()
        .map(|(index, input)| &input[place(index)]);
    let inputs: Vec<&[u8]> = inputs.collect();
    let mut buffers = vec![vec![GUARD; length + 64 + 64]; rows.len()];
    let outputs = buffers
        .iter_mut()
        .enumerate()
        .map(|(index, buffer)| &mut buffer[place(index)]);
    let mut outputs: Vec<&mut [u8]> = outputs.collect();
    engine.multiply(Product::new(&rows, &inputs, &mut outputs));
    let checked = buffers.into_iter().enumerate().map(|(index, buffer)| {
        let mut around = buffer[..place(index).start]
            .iter()
            .chain(&buffer[place(index).end..]);
        assert!(around.all(|&byte| byte == GUARD), "{}", engine.name());
        buffer[place(index)].to_vec()
    });
    checked.collect()
}

/// Returns bytes that repeat in no short period.
fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        state = state
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn check(rows: &[Vec<u8>], inputs: &[Vec<u8>], shift: usize) {
    let expected = product(Engine::reference(), rows, inputs, 0);
    for engine in Engine::available() {
        let found = product(engine, rows, inputs, shift);
        assert!(
            found == expected,
            "{} differs from the reference",
            engine.name()
        );
    }
}

#[test]
fn the_fastest_engine_is_special_where_the_processor_is() {
    let names: Vec<_> = Engine::available().into_iter().map(Engine::name).collect();
    assert_eq!(names[..2], ["reference", "portable"]);
    assert_eq!(Engine::fastest().name(), names[names.len() - 1]);
    #[cfg(target_arch = "x86_64")]
    assert_eq!(names.contains(&"avx2"), is_x86_feature_detected!("avx2"));
    #[cfg(target_arch = "aarch64")]
    assert_eq!(names[2..], ["neon"]);
}

#[test]
fn every_coefficient_times_every_byte() {
    let input: Vec<u8> = (0..=255).collect();
    for coefficient in 0..=255 {
        check(&[vec![coefficient]], std::slice::from_ref(&input), 0);
    }
}

#[test]
fn every_length_up_to_several_tiles() {
    for length in 0..=600 {
        let inputs = [noise(1, length), noise(2, length)];
        check(
            &[vec![7, 200], vec![1, 0], vec![255, 3]],
            &inputs,
            length % 64,
        );
    }
}

#[test]
fn every_number_of_outputs() {
    for outputs in 0..=40 {
        let rows: Vec<_> = (0..outputs).map(|row| noise(row, 5)).collect();
        let inputs: Vec<_> = (0..5).map(|column| noise(100 + column, 333)).collect();
        check(&rows, &inputs, 1);
    }
}

/// With sixty inputs the engines cut the length at multiples of 768, 384 or 576 bytes.
#[test]
fn lengths_around_a_cut() {
    let rows: Vec<_> = (0..7).map(|row| noise(row, 60)).collect();
    for length in [384, 576, 768, 1152, 1536]
        .into_iter()
        .flat_map(|cut| cut - 3..cut + 67)
    {
        let inputs: Vec<_> = (0..60).map(|column| noise(100 + column, length)).collect();
        check(&rows, &inputs, length % 61);
    }
}

#[test]
fn many_inputs_and_outputs() {
    for (columns, length) in [(100, 1027), (128, 255), (8, 6145), (2, 30_000)] {
        let rows: Vec<_> = (0..17).map(|row| noise(row, columns)).collect();
        let inputs: Vec<_> = (0..columns)
            .map(|column| noise(100 + column, length))
            .collect();
        check(&rows, &inputs, 3);
    }
}

#[test]
#[should_panic(expected = "outputs of that length")]
fn a_short_output_is_refused() {
    let mut output = [0; 2];
    let _ = Product::new(&[&[1]], &[&[1, 2, 3]], &mut [&mut output[..]]);
}

proptest! {
    #[test]
    fn engines_agree(
        (rows, columns, length) in (0..20_usize, 1..20_usize, 0..3000_usize),
        shift in 0..64_usize,
        seed in any::<u32>(),
    ) {
        let seed = seed as usize;
        let rows: Vec<_> = (0..rows).map(|row| noise(seed ^ row, columns)).collect();
        let inputs: Vec<_> =
            (0..columns).map(|column| noise(seed ^ (column + 1000), length)).collect();
        check(&rows, &inputs, shift);
    }
}

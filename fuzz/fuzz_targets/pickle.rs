//! State of Python's crawlers: any bytes become plain data or are refused, and what is read can be
//! pickled and read again.
#![no_main]

// Only this module: the crate around it would bring a runtime and the disk with it.
#[allow(dead_code, unreachable_pub, reason = "a part of the module is of use here")]
#[path = "../../crates/tahoe-storage-server/src/crawler/pickle.rs"]
mod pickle;

use serde_json::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = pickle::read(bytes) else {
        return;
    };
    let mut pickled = vec![0x80, 2];
    write(&value, &mut pickled);
    pickled.push(b'.');
    assert_eq!(pickle::read(&pickled), Ok(value));
});

/// Writes plain data as Python's protocol 2 does, without the memo.
fn write(value: &Value, pickled: &mut Vec<u8>) {
    match value {
        Value::Null => pickled.push(b'N'),
        Value::Bool(is_so) => pickled.push(if *is_so { 0x88 } else { 0x89 }),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => pickled.extend(format!("L{whole}L\n").into_bytes()),
            (None, Some(real)) => {
                pickled.push(b'G');
                pickled.extend(real.to_be_bytes());
            }
            (None, None) => unreachable!("a pickle holds no other numbers"),
        },
        Value::String(text) => {
            pickled.push(b'X');
            pickled.extend((text.len() as u32).to_le_bytes());
            pickled.extend(text.as_bytes());
        }
        Value::Array(items) => {
            pickled.extend(b"](");
            items.iter().for_each(|item| write(item, pickled));
            pickled.push(b'e');
        }
        Value::Object(fields) => {
            pickled.extend(b"}(");
            for (name, value) in fields {
                write(&Value::String(name.clone()), pickled);
                write(value, pickled);
            }
            pickled.push(b'u');
        }
    }
}

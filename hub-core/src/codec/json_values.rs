//! Values in JSON: as peers write them, and read as liberally as they are.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeSeed;
use serde_json::ser::{CompactFormatter, Formatter};

use super::any_case::AnyCase;
use super::json::is_deeper_than;
use super::second_look;
use super::spelling::Names;
use super::{MAX_DEPTH, REREAD_LIMIT};

pub(super) fn write_value<T: Serialize + ?Sized>(value: &T, out: impl io::Write) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, AsPeersDo))
}

pub(super) fn read_value<'de, S: DeserializeSeed<'de> + Clone>(json: &'de [u8], seed: S) -> Result<S::Value, String> {
    let names = Names::of_type(std::any::type_name::<S::Value>());
    let read = read_once(json, seed.clone(), &names);
    if read.is_ok() && !names.has_strange() {
        return read;
    }
    let strange = names.strange();
    // Enums without a tag do not say that a member came twice.
    let may_be_twice = |error: &String| error.starts_with("duplicate field") || names.has_kept_members();
    if strange.is_empty() && !read.as_ref().is_err_and(may_be_twice) {
        return read;
    }
    if json.len() > REREAD_LIMIT || is_deeper_than(MAX_DEPTH + 1, json) {
        if read.is_err() && names.has_respelled() {
            return read_once(json, seed, &names.as_it_stands());
        }
        return read;
    }
    let Ok(json) = serde_json::from_slice(json) else { return read };
    if !second_look::learn(json, &seed, &names, &strange) && read.is_ok() {
        return read;
    }
    second_look::read(json, &seed, &names).map_err(|error| error.to_string())
}

fn read_once<'de, S: DeserializeSeed<'de>>(json: &'de [u8], seed: S, names: &Names) -> Result<S::Value, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let read = AnyCase::new(seed, names).deserialize(&mut deserializer);
    read.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| error.to_string())
}

pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    STANDARD.decode(text)
}

/// Compact JSON as .NET and JavaScript write it: byte arrays are base64 text (P-JSON-17), and a whole number is written as
/// one, whatever its type: `2`, not `2.0`.
struct AsPeersDo;

/// Up to here a double, or a single, is whole where an integer of its digits is.
const WHOLE_F64: f64 = 9_007_199_254_740_992.0;
const WHOLE_F32: f32 = 16_777_216.0;

impl Formatter for AsPeersDo {
    fn write_f32<W: ?Sized + io::Write>(&mut self, out: &mut W, value: f32) -> io::Result<()> {
        if value.trunc() != value || value.abs() >= WHOLE_F32 {
            return without_fraction(out, |text| CompactFormatter.write_f32(text, value));
        }
        self.write_f64(out, value.into())
    }

    fn write_f64<W: ?Sized + io::Write>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        if value.trunc() != value {
            CompactFormatter.write_f64(out, value)
        } else if value.abs() >= WHOLE_F64 {
            without_fraction(out, |text| CompactFormatter.write_f64(text, value))
        } else if value == 0.0 && value.is_sign_negative() {
            out.write_all(b"-0")
        } else {
            CompactFormatter.write_i64(out, value as i64)
        }
    }

    fn write_byte_array<W: ?Sized + io::Write>(&mut self, out: &mut W, bytes: &[u8]) -> io::Result<()> {
        out.write_all(b"\"")?;
        out.write_all(STANDARD.encode(bytes).as_bytes())?;
        out.write_all(b"\"")
    }
}

/// Writes a number without the `.0` behind it, if there is one.
fn without_fraction<W: ?Sized + io::Write>(
    out: &mut W,
    write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let mut text = Vec::with_capacity(32);
    write(&mut text)?;
    out.write_all(text.strip_suffix(b".0").unwrap_or(&text))
}

//! Values to MessagePack, as official peers expect them (P-MP-10, P-MP-11): objects are maps by member name, types that
//! know a readable form use it, integers are as short as they can be, and dates are extension -1.

use std::fmt;

use rmp::encode;
use serde::ser::{self, Error, Serialize, Serializer};

use super::head::Unreadable;
use super::timestamp;
use super::unpack::{EXTENSION, NIL, Unpacker};

/// Why a value could not be written: what its `Serialize` said.
#[derive(Debug)]
pub(super) struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

impl Error for Unwritable {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

/// Appends values to a buffer, which grows: only a value itself can fail.
pub(super) struct Packer<'a>(pub(super) &'a mut Vec<u8>);

impl Packer<'_> {
    fn text(&mut self, text: &str) -> Result<(), Unwritable> {
        match text.len() {
            short @ ..32 => self.0.push(0xa0 | short as u8),
            long => {
                let _ = encode::write_str_len(self.0, length(long)?);
            }
        }
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn unsigned(&mut self, number: u64) -> Result<(), Unwritable> {
        match number {
            small @ ..128 => self.0.push(small as u8),
            large => {
                let _ = encode::write_uint(self.0, large);
            }
        }
        Ok(())
    }

    fn signed(&mut self, number: i64) -> Result<(), Unwritable> {
        match number {
            small @ 0..128 => self.0.push(small as u8),
            other => {
                let _ = encode::write_sint(self.0, other);
            }
        }
        Ok(())
    }
}

fn length(count: usize) -> Result<u32, Unwritable> {
    u32::try_from(count).map_err(|_| Unwritable::custom("more than 2^32 - 1 values or bytes in one"))
}

// A buffer takes all that is written to it, so what `rmp` says of writing is not looked at.

fn put_list(out: &mut Vec<u8>, count: usize) -> Result<(), Unwritable> {
    let _ = encode::write_array_len(out, length(count)?);
    Ok(())
}

fn put_map(out: &mut Vec<u8>, count: usize) -> Result<(), Unwritable> {
    let _ = encode::write_map_len(out, length(count)?);
    Ok(())
}

impl<'a, 'b> Serializer for &'b mut Packer<'a> {
    type Ok = ();
    type Error = Unwritable;
    type SerializeSeq = Many<'a, 'b>;
    type SerializeTuple = Many<'a, 'b>;
    type SerializeTupleStruct = Many<'a, 'b>;
    type SerializeTupleVariant = Many<'a, 'b>;
    type SerializeMap = Many<'a, 'b>;
    type SerializeStruct = Many<'a, 'b>;
    type SerializeStructVariant = Many<'a, 'b>;

    fn serialize_bool(self, value: bool) -> Result<(), Unwritable> {
        self.0.push(if value { 0xc3 } else { 0xc2 });
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), Unwritable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Unwritable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Unwritable> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Unwritable> {
        self.signed(value)
    }

    // MessagePack ends at 64 bits. What is more is text, as .NET's `decimal`, which no peer takes for something else.
    fn serialize_i128(self, value: i128) -> Result<(), Unwritable> {
        match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => self.signed(value),
            (_, Ok(value)) => self.unsigned(value),
            _ => self.text(&value.to_string()),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<(), Unwritable> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Unwritable> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Unwritable> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Unwritable> {
        self.unsigned(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Unwritable> {
        match u64::try_from(value) {
            Ok(value) => self.unsigned(value),
            Err(_) => self.text(&value.to_string()),
        }
    }

    fn serialize_f32(self, value: f32) -> Result<(), Unwritable> {
        let _ = encode::write_f32(self.0, value);
        Ok(())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Unwritable> {
        let _ = encode::write_f64(self.0, value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Unwritable> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Unwritable> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Unwritable> {
        length(value.len())?;
        let _ = encode::write_bin(self.0, value);
        Ok(())
    }

    /// What writes itself as a text that is a date, is a date: so do the types of `chrono` and `jiff`. A text that is a
    /// text comes by `serialize_str`, whatever stands in it.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        let mut text = String::new();
        // Not `to_string`, which panics where a `Display` of the application fails.
        fmt::Write::write_fmt(&mut text, format_args!("{value}")).map_err(Unwritable::custom)?;
        if timestamp::put_if_date(&text, self.0) { Ok(()) } else { self.text(&text) }
    }

    fn serialize_none(self) -> Result<(), Unwritable> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Unwritable> {
        self.0.push(NIL);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Unwritable> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Unwritable> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<(), Unwritable> {
        if name == EXTENSION { self.extension(value) } else { value.serialize(self) }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Unwritable> {
        put_map(self.0, 1)?;
        self.text(variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Many<'a, 'b>, Unwritable> {
        Many::begin(self, count, put_list)
    }

    fn serialize_tuple(self, count: usize) -> Result<Many<'a, 'b>, Unwritable> {
        Many::begin(self, Some(count), put_list)
    }

    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Many<'a, 'b>, Unwritable> {
        Many::begin(self, Some(count), put_list)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Many<'a, 'b>, Unwritable> {
        put_map(self.0, 1)?;
        self.text(variant)?;
        Many::begin(self, Some(count), put_list)
    }

    fn serialize_map(self, count: Option<usize>) -> Result<Many<'a, 'b>, Unwritable> {
        Many::begin(self, count, put_map)
    }

    fn serialize_struct(self, _: &'static str, count: usize) -> Result<Many<'a, 'b>, Unwritable> {
        Many::begin(self, Some(count), put_map)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Many<'a, 'b>, Unwritable> {
        put_map(self.0, 1)?;
        self.text(variant)?;
        Many::begin(self, Some(count), put_map)
    }
}

impl Packer<'_> {
    /// An extension is told by a pair of its type and its bytes.
    fn extension<T: Serialize + ?Sized>(&mut self, pair: &T) -> Result<(), Unwritable> {
        let mut out = Vec::new();
        pair.serialize(&mut Packer(&mut out))?;
        let read: Result<(i8, super::Binary), Unreadable> =
            serde::Deserialize::deserialize(&mut Unpacker::new(&out, false));
        let (kind, bytes) = read.map_err(Unwritable::custom)?;
        let _ = encode::write_ext_meta(self.0, length(bytes.len())?, kind);
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// How a list or a map of so many begins.
type PutLength = fn(&mut Vec<u8>, usize) -> Result<(), Unwritable>;

/// The values of a list, or the entries of a map, on their way.
pub(super) struct Many<'a, 'b> {
    packer: &'b mut Packer<'a>,
    /// Where they begin, if how many there will be was not told: their number goes before them at the end.
    start: usize,
    told: Option<usize>,
    count: usize,
    put_length: PutLength,
}

impl<'a, 'b> Many<'a, 'b> {
    fn begin(packer: &'b mut Packer<'a>, told: Option<usize>, put_length: PutLength) -> Result<Self, Unwritable> {
        if let Some(count) = told {
            put_length(packer.0, count)?;
        }
        let start = packer.0.len();
        Ok(Self { packer, start, told, count: 0, put_length })
    }

    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.count += 1;
        value.serialize(&mut *self.packer)
    }

    fn add_member<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unwritable> {
        self.packer.text(name)?;
        self.add(value)
    }

    fn finish(self) -> Result<(), Unwritable> {
        let Self { packer, start, told, count, put_length } = self;
        match told {
            Some(told) if told == count => Ok(()),
            // It would break the frame, and so the connection.
            Some(told) => Err(Unwritable(format!("{told} values were announced, and {count} came"))),
            None => {
                let values = packer.0.split_off(start);
                put_length(packer.0, count)?;
                packer.0.extend_from_slice(&values);
                Ok(())
            }
        }
    }
}

macro_rules! lists {
    ($($trait:ident $method:ident;)*) => {$(
        impl ser::$trait for Many<'_, '_> {
            type Ok = ();
            type Error = Unwritable;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                self.add(value)
            }

            fn end(self) -> Result<(), Unwritable> {
                self.finish()
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! objects {
    ($($trait:ident;)*) => {$(
        impl ser::$trait for Many<'_, '_> {
            type Ok = ();
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unwritable> {
                self.add_member(name, value)
            }

            fn end(self) -> Result<(), Unwritable> {
                self.finish()
            }
        }
    )*};
}

objects! {
    SerializeStruct;
    SerializeStructVariant;
}

impl ser::SerializeMap for Many<'_, '_> {
    type Ok = ();
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        key.serialize(&mut *self.packer)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.add(value)
    }

    fn end(self) -> Result<(), Unwritable> {
        self.finish()
    }
}

//! Argument lists to tuples (P-INV-05 to P-INV-08).

use std::collections::HashMap;

use hub_core::{Args, ArgsError, Binary, Codec, Lend};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// The same list in both protocols.
fn lists(list: &serde_json::Value) -> [Args; 2] {
    Codec::ALL.map(|codec| Args::new(codec.encode_value(list).unwrap()))
}

fn count(provided: usize, expected: usize) -> ArgsError {
    ArgsError::Count { provided, expected }
}

macro_rules! tuples {
    ($($arity:literal: ($($one:ty),*);)*) => {
        #[test]
        fn p_inv_05_06_tuples_of_every_length() {
            for length in 0..=18_usize {
                for args in lists(&json!(vec![7; length])) {
                    $({
                        let read = args.read::<($($one,)*)>().map(|_| ());
                        let expected = if length == $arity { Ok(()) } else { Err(count(length, $arity)) };
                        assert_eq!(read, expected, "{:?}", args.codec());
                    })*
                }
            }
        }
    };
}

tuples! {
    0: ();
    1: (u8);
    2: (u8, u8);
    3: (u8, u8, u8);
    4: (u8, u8, u8, u8);
    5: (u8, u8, u8, u8, u8);
    6: (u8, u8, u8, u8, u8, u8);
    7: (u8, u8, u8, u8, u8, u8, u8);
    8: (u8, u8, u8, u8, u8, u8, u8, u8);
    9: (u8, u8, u8, u8, u8, u8, u8, u8, u8);
    10: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    11: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    12: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    13: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    14: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    15: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
    16: (u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8);
}

#[test]
fn values_come_in_their_order() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Line {
        from: String,
        text: Option<String>,
    }
    for args in lists(&json!(["a", -5, 2.5, true, null, [1, 2], {"k": 300}, {"from": "ann", "text": null}])) {
        type All = (String, i64, f64, bool, Option<u8>, Vec<u8>, HashMap<String, u16>, Line);
        let read: All = args.read().unwrap();
        let line = Line { from: "ann".to_owned(), text: None };
        assert_eq!(
            read,
            ("a".to_owned(), -5, 2.5, true, None, vec![1, 2], HashMap::from([("k".to_owned(), 300)]), line)
        );
    }
}

#[test]
fn p_inv_05_the_words_of_a_type_that_does_not_fit() {
    let sure = "Make sure that the types of the provided values match the types of the hub method being invoked.";
    for (list, position) in [
        (json!(["x", 2, 3]), 1),
        (json!([1, "x", 3]), 2),
        (json!([1, 2, "x"]), 3),
        (json!([1, 256, 3]), 2),
        (json!([1, -1, 3]), 2),
        (json!([1, 2.5, 3]), 2),
        (json!([1, 2, null]), 3),
        (json!([[1], 2, 3]), 1),
    ] {
        for error in lists(&list).map(|args| args.read::<(u8, u8, u8)>().unwrap_err()) {
            assert_eq!(error.to_string(), format!("Error binding arguments. {sure}"));
            assert!(matches!(error, ArgsError::Type { position: found, .. } if found == position), "{list}: {error:?}");
            assert!(!error.detail().is_empty());
            let head = "Failed to invoke 'T' due to an error on the server.";
            assert_eq!(error.explain(head), format!("{head} InvalidDataException: {error}"));
        }
    }
    assert_eq!(count(3, 2).to_string(), "Invocation provides 3 argument(s) but target expects 2.");
    assert_eq!(count(3, 2).detail(), "");
}

#[test]
fn an_error_inside_an_argument_names_the_argument() {
    for (list, position) in [(json!([[1, 2], [3, "x"]]), 2), (json!([[1, 2], [3]]), 2), (json!([[1, 2, 3], [3, 4]]), 1)]
    {
        for args in lists(&list) {
            match args.read::<((u8, u8), (u8, u8))>() {
                Err(ArgsError::Type { position: found, .. }) => assert_eq!(found, position, "{list}"),
                other => panic!("{list}: {other:?}"),
            }
        }
    }
}

#[test]
fn p_inv_06_surplus_arguments_of_any_kind_are_counted() {
    for args in lists(&json!([1, "s", null, {"a": [1, {}]}, [[]], 1.5, true])) {
        assert_eq!(args.read::<(u8,)>().unwrap_err(), count(7, 1));
        assert_eq!(args.read::<()>().unwrap_err(), count(7, 0));
    }
}

#[test]
fn p_inv_08_null() {
    fn reads<T: DeserializeOwned>() -> [bool; 2] {
        lists(&json!([null])).map(|args| args.read::<(T,)>().is_ok())
    }
    assert_eq!(reads::<Option<u8>>(), [true; 2]);
    assert_eq!(reads::<Option<String>>(), [true; 2]);
    assert_eq!(reads::<Option<Vec<u8>>>(), [true; 2]);
    assert_eq!(reads::<()>(), [true; 2]);
    assert_eq!(reads::<u8>(), [false; 2]);
    assert_eq!(reads::<f64>(), [false; 2]);
    assert_eq!(reads::<bool>(), [false; 2]);
    assert_eq!(reads::<String>(), [false; 2]);
    assert_eq!(reads::<Vec<u8>>(), [false; 2]);
    assert_eq!(reads::<HashMap<String, u8>>(), [false; 2]);
    assert_eq!(reads::<Binary>(), [false; 2]);
    // There are no default values (P-INV-07).
    for args in lists(&json!([1])) {
        assert_eq!(args.read::<(u8, Option<u8>)>().unwrap_err(), count(1, 2));
    }
}

#[test]
fn what_is_lent_is_decoded_as_what_is_owned() {
    fn owned<T: Lend + ?Sized>(args: &Args) -> (<T as Lend>::Owned,) {
        args.read().unwrap()
    }
    for args in lists(&json!(["a\n"])) {
        assert_eq!(owned::<str>(&args).0, "a\n");
        assert_eq!(owned::<String>(&args).0, "a\n");
    }
    for args in lists(&json!([["a", "b"]])) {
        assert_eq!(owned::<[String]>(&args).0, ["a", "b"]);
    }
}

#[test]
fn what_is_no_list_binds_to_nothing() {
    for list in [json!(null), json!(5), json!("[]"), json!({})] {
        for args in lists(&list) {
            assert!(matches!(args.read::<()>(), Err(ArgsError::Type { .. })), "{list}");
            assert!(matches!(args.read::<(u8,)>(), Err(ArgsError::Type { .. })), "{list}");
        }
    }
}

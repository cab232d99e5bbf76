//! Message ids as they stand in headers and URLs: two different ids never look the same.

use std::fmt::Write;

/// Visible ASCII stays, but for `%`; every other byte becomes `%` and two digits.
pub(super) fn for_header(id: &str) -> String {
    escape(id, |byte| byte.is_ascii_graphic() && byte != b'%')
}

/// One segment of a path: only what has no meaning in URLs stays. A segment of points would be
/// taken for a way up, so they go as well.
pub(super) fn for_path(id: &str) -> String {
    escape(id, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~'))
}

fn escape(id: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if stays(byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes any text");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_misread_is_escaped() {
        assert_eq!(for_header("order/17:a"), "order/17:a");
        assert_eq!(for_header(" grüße 100%"), "%20gr%C3%BC%C3%9Fe%20100%25");
        assert_eq!(for_path("order/17:a"), "order%2F17%3Aa");
        assert_eq!(for_path(".."), "%2E%2E");
    }

    proptest::proptest! {
        #[test]
        fn the_id_can_be_read_back(id in "[^\\p{Cc}]{1,40}") {
            for escaped in [for_header(&id), for_path(&id)] {
                proptest::prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_graphic()));
                let mut bytes = Vec::new();
                let mut rest = escaped.as_str();
                while let Some(first) = rest.chars().next() {
                    if first == '%' {
                        bytes.push(u8::from_str_radix(&rest[1..3], 16).unwrap());
                        rest = &rest[3..];
                    } else {
                        bytes.push(u8::try_from(first).unwrap());
                        rest = &rest[1..];
                    }
                }
                proptest::prop_assert_eq!(&bytes, id.as_bytes());
            }
        }
    }
}

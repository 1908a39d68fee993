//! What two files of a process say of it: bytes in, values out.

use scupper_model::{KEEP, MARK, UNIT};

use super::Marks;
use crate::parse;

/// What an environment says. One that a title was written over begins with the title, which is no `NAME=value`. Of
/// several of one name the first one counts, as in getenv(3).
pub(super) fn marks(environ: &[u8], cut: bool) -> Marks {
    let whole = if cut { environ.iter().rposition(|&b| b == 0).unwrap_or(0) } else { environ.len() };
    let mut found = [None, None, None];
    let mut is_set = None;
    for entry in environ.get(..whole).unwrap_or_default().split(|&b| b == 0) {
        let is_set = is_set.get_or_insert_with(|| entry.contains(&b'='));
        if !entry.starts_with(b"SCUPPER_") {
            continue;
        }
        for (value, name) in found.iter_mut().zip([MARK, UNIT, KEEP]) {
            let of_name = entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            if let (None, Some(text)) = (&value, of_name) {
                *value = Some(text.to_vec());
                *is_set = true;
            }
        }
    }
    let [run, unit, keep] = found;
    if is_set == Some(true) { Marks::Read { run, unit, keep } } else { Marks::Empty }
}

/// The soft limit in `limits`: `Max open files            1024                 524288               files`.
pub(crate) fn descriptor_limit(limits: &[u8]) -> Option<u64> {
    let line = parse::lines(limits).find_map(|line| line.strip_prefix(b"Max open files"))?;
    let soft = line.split(u8::is_ascii_whitespace).find(|field| !field.is_empty())?;
    if soft == b"unlimited" { Some(u64::MAX) } else { parse::number(soft) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_limit_of_descriptors_is_the_soft_one() {
        let limits = |soft: &str| {
            let line = format!("Max open files            {soft:<20} 524288               files     \n");
            descriptor_limit(format!("Max processes             unlimited\n{line}").as_bytes())
        };
        assert_eq!((limits("1024"), limits("unlimited"), limits("-1")), (Some(1024), Some(u64::MAX), None));
        assert_eq!(descriptor_limit(b"Max open files"), None);
        assert_eq!(descriptor_limit(b""), None);
    }

    proptest! {
        #[test]
        fn marks_are_what_the_environment_says(
            entries in proptest::collection::vec("(SCUPPER_RUN|SCUPPER_UNIT|SCUPPER_KEEP|SCUPPER_|PATH)(=[a-z=]{0,3})?|", 0..8),
            cut: bool,
        ) {
            let environ = entries.join("\0").into_bytes();
            let value = |name| parse::environment_value(&environ, cut, name);
            let expected = (value(MARK), value(UNIT), value(KEEP));
            match marks(&environ, cut) {
                Marks::Read { run, unit, keep } => prop_assert_eq!((run, unit, keep), expected),
                Marks::Empty => prop_assert_eq!(expected, (None, None, None)),
                Marks::Unreadable => prop_assert!(false, "it was read"),
            }
        }
    }
}

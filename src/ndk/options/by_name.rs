//! Options by name, with their values as text: for faces and files that cannot call a method for each.

use super::{AdapterOptions, OPEN};
use crate::ndk::{AdapterFlags, AdapterLimits, Error, Status};
use std::time::Duration;

/// What can be set beside the limits.
const OTHERS: [&str; 5] =
    ["flags", "ndk_enabled", "connect_timeout_ms", "accept_timeout_ms", "disconnect_timeout_ms"];

impl AdapterOptions {
    /// Sets the option of that name.
    ///
    /// | option | value |
    /// |---|---|
    /// | a field of [`AdapterLimits`], `max_cq_depth` say | the limit |
    /// | `flags` | bits of [`AdapterFlags`] |
    /// | `ndk_enabled` | 0 or 1, as [`ndk_enabled`](Self::ndk_enabled) |
    /// | `connect_timeout_ms`, and so with `accept` and `disconnect` | milliseconds of [`Timeouts`] |
    ///
    /// A value is a decimal number, or a hexadecimal one behind `0x`. Whether the engine can do as much is
    /// judged by [`open`](Self::open).
    ///
    /// [`Timeouts`]: crate::ndk::Timeouts
    ///
    /// ```
    /// # use qpair::ndk::Adapter;
    /// let adapter = Adapter::options("local/docs-by-name").set("max_cq_depth", "64")?.open()?;
    /// assert_eq!(adapter.info().max_cq_depth, 64);
    /// # Ok::<(), qpair::ndk::Error>(())
    /// ```
    ///
    /// # Errors
    /// INVALID_PARAMETER: there is no such option, or the value is no such number.
    pub fn set(mut self, option: &str, value: &str) -> Result<Self, Error> {
        let number = number(value).ok_or_else(|| wrong_value(option, value))?;
        if let Some(fits) = self.limits.set(option, number) {
            return if fits { Ok(self) } else { Err(wrong_value(option, value)) };
        }
        let limit = Duration::from_millis(number);
        match option {
            "flags" => {
                let bits = u32::try_from(number).map_err(|_| wrong_value(option, value))?;
                self.flags = AdapterFlags(bits);
            }
            "ndk_enabled" if number > 1 => return Err(wrong_value(option, value)),
            "ndk_enabled" => self.enabled = number == 1,
            "connect_timeout_ms" => self.timeouts.connect = limit,
            "accept_timeout_ms" => self.timeouts.accept = limit,
            "disconnect_timeout_ms" => self.timeouts.disconnect = limit,
            _ => return Err(no_such_option(option)),
        }
        Ok(self)
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cold]
fn wrong_value(option: &str, value: &str) -> Error {
    Error::new(OPEN, Status::INVALID_PARAMETER)
        .with_argument("an option", format_args!("`{option}={value}`"))
        .with_hint("give it a number that its field holds, decimal or behind 0x")
}

#[cold]
fn no_such_option(option: &str) -> Error {
    let known = AdapterLimits::NAMES.iter().chain(&OTHERS).copied().collect::<Vec<_>>().join(", ");
    Error::new(OPEN, Status::INVALID_PARAMETER)
        .with_argument("an option", format_args!("`{option}`"))
        .with_hint(format!("give one of {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> AdapterOptions {
        AdapterOptions::new("local/by-name")
    }

    #[test]
    fn every_limit_and_every_other_option_has_a_name() {
        for name in AdapterLimits::NAMES.iter().chain(&OTHERS) {
            assert!(options().set(name, "1").is_ok(), "{name}");
        }
        let set = options().set("max_cq_depth", "64").unwrap().set("max_caller_data", "0x10").unwrap();
        assert_eq!((set.limits.max_cq_depth, set.limits.max_caller_data), (64, 16));
        let set = options().set("flags", "0x10100").unwrap().set("ndk_enabled", "0").unwrap();
        assert_eq!((set.flags, set.enabled), (AdapterFlags(0x10100), false));
        let set = options().set("accept_timeout_ms", "50").unwrap().set("connect_timeout_ms", "7").unwrap();
        let usual = options().timeouts;
        assert_eq!(set.timeouts.accept, Duration::from_millis(50));
        assert_eq!(
            (set.timeouts.connect, set.timeouts.disconnect),
            (Duration::from_millis(7), usual.disconnect)
        );
    }

    #[test]
    fn what_is_no_option_or_no_number_of_its_range_is_refused() {
        for (option, value) in [
            ("max_cq_depth", "many"),
            ("max_cq_depth", ""),
            ("max_cq_depth", "-1"),
            ("max_cq_depth", "4294967296"),
            ("flags", "0x100000000"),
            ("ndk_enabled", "2"),
        ] {
            let refused = options().set(option, value).unwrap_err();
            assert_eq!(refused.status(), Status::INVALID_PARAMETER);
            assert_eq!(refused.got(), Some(&*format!("`{option}={value}`")));
        }
        let refused = options().set("MaxCqDepth", "64").unwrap_err();
        assert_eq!(refused.got(), Some("`MaxCqDepth`"));
        assert!(refused.hint().is_some_and(|hint| hint.contains("max_cq_depth") && hint.contains("flags")));
    }
}

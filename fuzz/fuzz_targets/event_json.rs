#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| scupper_fuzz::event_json(data));

//! What is taken, and what of it is left out.

use std::time::Duration;

use scupper_detect::Quantity;
use scupper_recording::{Format, Kind, Options, read};

use crate::{columns, of, rejected};

#[test]
fn csv_columns_are_found_by_name() {
    let recording = of("fds,note,seconds,rss_bytes\n3,a,10,100\n4,b,11.5,200\n").unwrap();
    assert_eq!(recording.format, Format::Csv);
    assert_eq!(recording.origin, Duration::from_secs(10));
    assert_eq!(
        columns(&recording),
        [("fds", vec![(0.0, 3.0), (1.5, 4.0)]), ("rss_bytes", vec![(0.0, 100.0), (1.5, 200.0)])]
    );
    assert_eq!(recording.columns[0].kind, Kind::Level(Quantity::Count));
    assert_eq!(recording.columns[1].kind, Kind::Level(Quantity::Bytes));
}

#[test]
fn bom_crlf_blank_lines_quotes_and_semicolons_are_taken() {
    let plain = of("seconds,rss_bytes\n0,1\n1,2\n").unwrap();
    for text in [
        "\u{feff}seconds,rss_bytes\r\n0,1\r\n1,2\r\n",
        "\n\nseconds , rss_bytes\n0, 1\n\n1, 2",
        "\"seconds\",\"rss_bytes\"\n\"0\",\"1\"\n\"1\",\"2\"\n",
        "seconds;rss_bytes\n0;1\n1;2\n",
        "seconds\trss_bytes\n0\t1\n1\t2\n",
        "{\"seconds\":0,\"rss_bytes\":1}\r\n{\"at\":\"1\",\"rss_bytes\":\"2\"}",
        "\u{feff}[{\"seconds\":0,\"rss_bytes\":1},\n{\"seconds\":1,\"x\":[{}],\"rss_bytes\":2}]\n",
    ] {
        let recording = of(text).unwrap();
        assert_eq!((columns(&recording), rejected(&recording)), (columns(&plain), vec![]), "{text:?}");
    }
}

#[test]
fn an_empty_field_is_a_gap_in_its_column_only() {
    let recording = of("seconds,rss_bytes,fds\n0,1,\n1,,7\n2,3,8\n3\n").unwrap();
    assert_eq!(
        columns(&recording),
        [("rss_bytes", vec![(0.0, 1.0), (2.0, 3.0)]), ("fds", vec![(1.0, 7.0), (2.0, 8.0)])]
    );
    assert_eq!(recording.rejected.count, 0);
}

#[test]
fn what_cannot_be_used_is_left_out_counted_and_named() {
    let recording =
        of("seconds,rss_bytes\n0,1\n1,NaN\n2,-5\n3,x\n3,4\n3,5\n1,6\n,7\nsoon,8\n-4,9\n9,1,2\n10,2\n");
    let recording = recording.unwrap();
    assert_eq!(columns(&recording), [("rss_bytes", vec![(0.0, 1.0), (3.0, 4.0), (10.0, 2.0)])]);
    assert_eq!(
        rejected(&recording),
        [
            "line 3: rss_bytes: not a number",
            "line 4: rss_bytes: negative",
            "line 5: rss_bytes: not a number",
            "line 7: not later than the sample before it (line 6 is at 3 s)",
            "line 8: not later than the sample before it (line 6 is at 3 s)",
            "line 9: it has no time",
            "line 10: its time is neither seconds nor RFC 3339",
            "line 11: its time is negative",
            "line 12: 3 fields where the header has 2",
        ]
    );
    assert_eq!(recording.rejected.count, 9);
}

#[test]
fn json_lines_that_cannot_be_read_cost_one_line() {
    let lines = [
        r#"{"seconds":0,"rss_bytes":1,"fds":null}"#,
        r#"{"seconds":1,"rss_bytes":18446744073709551615}"#,
        r#"{"seconds":2,"rss_bytes":[1]}"#,
        "[]",
        r#"{"seconds":3,"rss_bytes":1e999}"#,
        r#"{"seconds":4,"rss_bytes":1e25}"#,
        r#"{"seconds":4,"rss_bytes":5} x"#,
        r#"{"unit":"web"}"#,
        r#"{"seconds":5,"rss_by"#,
    ];
    let recording = of(&lines.join("\n")).unwrap();
    assert_eq!(columns(&recording), [("rss_bytes", vec![(0.0, 1.0), (1.0, 18_446_744_073_709_551_615.0)])]);
    assert_eq!(
        rejected(&recording),
        [
            "line 3: rss_bytes: not a number",
            "line 4: no JSON object",
            "line 5: no JSON: number out of range (column 30)",
            "line 6: rss_bytes: too large",
            "line 7: no JSON: trailing characters (column 29)",
            "line 9: no JSON: EOF while parsing a string (column 20)",
        ]
    );
}

#[test]
fn prometheus_series_are_called_by_their_labels() {
    let text = r#"{"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"process_resident_memory_bytes","instance":"a"},"values":[[1700000000.5,"1"],[1700000015.5,"NaN"],[1700000030.5,"3e8"]]},
        {"values":[[1700000001,"7"],[1700000001,"8"],5,[1,2,3]],"metric":{"__name__":"process_open_fds","instance":"a"}},
        {"metric":{"__name__":"up"},"values":[]}
    ]},"warnings":["w"]}"#;
    let recording = of(text).unwrap();
    assert_eq!(recording.format, Format::Prometheus);
    assert_eq!(recording.origin, Duration::from_millis(1_700_000_000_500));
    assert_eq!(
        columns(&recording),
        [
            ("process_resident_memory_bytes{instance=\"a\"}", vec![(0.0, 1.0), (30.0, 3e8)]),
            ("process_open_fds{instance=\"a\"}", vec![(0.5, 7.0)]),
        ]
    );
    assert_eq!(recording.columns[1].kind, Kind::Level(Quantity::Count));
    assert_eq!(
        rejected(&recording),
        [
            "series 1, value 2: not a number",
            "series 2, value 2: not later than the sample before it (series 2, value 1 is at 2023-11-14T22:13:21.000Z)",
            "series 2, value 3: no pair of time and value",
            "series 2, value 4: no pair of time and value",
        ]
    );
    let data = text.strip_prefix("{\"status\":\"success\",\"data\":").unwrap();
    let bare = data.strip_suffix(",\"warnings\":[\"w\"]}").unwrap();
    assert_eq!(of(bare).unwrap(), recording);
    for name in ["process_open_fds", "process_open_fds{instance=\"a\"}"] {
        let options = Options { columns: vec![name.to_owned()], ..Options::default() };
        let only = read(text.as_bytes(), &options).unwrap();
        assert_eq!(only.columns.len(), 1);
        assert_eq!((only.columns[0].samples.len(), only.rejected.count), (1, 3));
    }
}

#[test]
fn other_columns_and_times_are_named() {
    let options = Options {
        time: Some("timestamp".to_owned()),
        columns: vec!["heap".to_owned(), "rss_bytes".to_owned()],
        quantity: Some(Quantity::Count),
        ..Options::default()
    };
    let text =
        "timestamp,seconds,heap,rss_bytes,fds\n2026-01-02T03:04:05Z,9,1,2,3\n2026-01-02 03:04:06,0,2,3,4\n";
    let recording = read(text.as_bytes(), &options).unwrap();
    assert_eq!(
        columns(&recording),
        [("heap", vec![(0.0, 1.0), (1.0, 2.0)]), ("rss_bytes", vec![(0.0, 2.0), (1.0, 3.0)])]
    );
    assert_eq!(recording.columns[0].kind, Kind::Level(Quantity::Count));
    assert_eq!(recording.columns[1].kind, Kind::Level(Quantity::Bytes));
}

#[test]
fn a_format_can_be_forced() {
    let options = Options { format: Some(Format::JsonLines), ..Options::default() };
    let text = "{\"status\":\"up\",\"seconds\":1,\"rss_bytes\":2}";
    assert!(of(text).is_err());
    assert_eq!(columns(&read(text.as_bytes(), &options).unwrap()), [("rss_bytes", vec![(0.0, 2.0)])]);
}

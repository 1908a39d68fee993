//! Recorded events with numbers that no machine has. An evidence file is data: others can write it, and a disk can damage it.

use scupper_model::Event;
use serde_json::{Value, json};

/// The events again, with each of their numbers as large as it can be read, as small, and 0; and large and 0 in turns.
pub(crate) fn of(events: &[Event]) -> Vec<Vec<Event>> {
    let large = [json!(u64::MAX), json!(i64::MAX), json!(u32::MAX), json!(i32::MAX), json!(f64::MAX)];
    let small = [json!(i64::MIN), json!(f64::MIN), json!(0)];
    let zero = [json!(0)];
    let pairs = [[&large[..], &large], [&small, &small], [&zero, &zero], [&large, &zero], [&zero, &large]];
    pairs.into_iter().map(|pair| events.iter().map(|event| replaced(event, pair)).collect()).collect()
}

/// The event with the first of these numbers that each of its places takes, of the one list and the other in turns.
fn replaced(event: &Event, numbers: [&[Value]; 2]) -> Event {
    let mut value = serde_json::to_value(event).unwrap();
    let mut places = Vec::new();
    find(&value, "", &mut places);
    for (place, numbers) in places.into_iter().zip(numbers.into_iter().cycle()) {
        for number in numbers {
            let before = std::mem::replace(value.pointer_mut(&place).unwrap(), number.clone());
            if serde_json::from_value::<Event>(value.clone()).is_ok() {
                break;
            }
            *value.pointer_mut(&place).unwrap() = before;
        }
    }
    serde_json::from_value(value).unwrap()
}

fn find(value: &Value, at: &str, places: &mut Vec<String>) {
    match value {
        Value::Number(_) => places.push(at.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| find(item, &format!("{at}/{index}"), places));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, field)| find(field, &format!("{at}/{key}"), places));
        }
        _ => {}
    }
}

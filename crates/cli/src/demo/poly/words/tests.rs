use super::*;

const VALUES: Values = Values { seed: 7 };

#[test]
fn values_follow_from_their_names() {
    assert_eq!(VALUES.blob(3, 100), VALUES.blob(3, 100));
    assert_ne!(VALUES.blob(3, 100), VALUES.blob(4, 100));
    assert_ne!(VALUES.blob(3, 100), Values { seed: 8 }.blob(3, 100));
    let [blob, record] =
        [Value::Blob { number: 3, bytes: 10 }, Value::Record { number: 3, seq: 2 }];
    assert_eq!(VALUES.key(blob), blob_key(&VALUES.blob(3, 10)));
    assert_eq!(VALUES.key(record), VALUES.record(3, 9, 1).key());
    assert_eq!(VALUES.key(Value::Entry { topic: 1, author: 5 }), VALUES.entry(1, 5, 1, 1).topic);
}

#[test]
fn orders_and_answers_survive_the_way() {
    let wish = Wish::Read(Value::Topic { topic: 2, authors: 8 });
    let line = serde_json::to_string(&Order { number: 5, node: 49, wish }).unwrap();
    assert!(!line.contains('\n'));
    let order: Order = serde_json::from_str(&line).unwrap();
    assert!(matches!(order.wish, Wish::Read(Value::Topic { topic: 2, authors: 8 })), "{order:?}");
    let word = Word::Changed { seq: u64::MAX };
    let line = serde_json::to_string(&Answer { number: 5, word }).unwrap();
    let answer: Answer = serde_json::from_str(&line).unwrap();
    assert!(matches!(answer.word, Word::Changed { seq: u64::MAX }), "{answer:?}");
}

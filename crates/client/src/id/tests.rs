use super::*;

#[test]
fn reads_what_it_writes_and_refuses_the_rest() {
    let text = "000102030405060708090a0b0c0d0e0f10111213";
    let key = parse(text).unwrap();
    assert_eq!(key.id::<20>()[19], 0x13);
    assert_eq!(hex(&key).to_string(), text);
    assert_eq!(parse(&text.to_uppercase()), Ok(key));
    assert_eq!(parse(""), Err(ParseIdError::Length { digits: 0 }));
    assert_eq!(parse(&format!("{text}0")), Err(ParseIdError::Length { digits: 41 }));
    assert_eq!(parse(&text.replace('a', "ä")), Err(ParseIdError::Digit { letter: 'ä' }));
}

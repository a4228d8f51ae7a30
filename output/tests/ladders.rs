//! Ladders as a reader sees them: they fit the terminal, say what was lost, and are well-formed SVG.

use ipseclab_output::{Ladder, LadderEvent, LadderText, Message, Participant, ladder::svg};

fn message(from: &str, to: &str, sent_ns: u64, received_ns: Option<u64>) -> LadderEvent {
    LadderEvent::message(Message {
        from: from.into(),
        to: to.into(),
        sent_ns,
        received_ns,
        title: "IKE_SA_INIT request".into(),
        message_id: Some(0),
        length: 456,
        payloads: ["SA", "KE(X25519)", "Nonce(32)", "N(NAT_DETECTION_SOURCE_IP)"].map(str::to_owned).into(),
    })
}

fn participants(names: &[&str]) -> Vec<Participant> {
    names.iter().map(|&name| Participant { name: name.into(), detail: String::new() }).collect()
}

fn two() -> Ladder {
    Ladder {
        title: "a tunnel".into(),
        participants: participants(&["left", "right"]),
        events: vec![
            message("left", "right", 0, None),
            message("left", "right", 4_000_000_000, Some(4_020_000_000)),
            LadderEvent::local_step(
                4_021_000_000,
                "right",
                "derives SKEYSEED, SK_d, SK_ai, SK_ar, SK_ei, SK_er",
            ),
            message("right", "left", 4_022_000_000, Some(4_042_000_000)),
            LadderEvent::note(4_042_000_000, "left", "établi"),
        ],
    }
}

fn many(count: usize) -> Ladder {
    let names: Vec<String> =
        (0..count).map(|number| format!("gateway-with-a-very-long-name-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let events = names.windows(2).flat_map(|pair| {
        let [from, to] = [pair[0], pair[1]];
        [
            message(from, to, 5, Some(9)),
            message(to, from, 7, None),
            LadderEvent::local_step(8, to, &"x".repeat(300)),
        ]
    });
    let events = events.collect();
    Ladder { title: "t ".repeat(150), participants: participants(&names), events }
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn text_fits_every_width() {
    for ladder in [Ladder::default(), two(), many(1), many(2), many(3), many(5), many(9)] {
        for width in 60..=200 {
            let text = LadderText::render(&ladder, width);
            assert!(widest(&text) <= width, "{width}:\n{text}");
        }
    }
    assert!(widest(&LadderText::render(&two(), 0)) <= 60);
}

#[test]
fn no_word_of_an_event_is_lost_at_any_width() {
    for width in [60, 100, 200] {
        let text = LadderText::render(&two(), width);
        for word in
            ["IKE_SA_INIT", "456", "KE(X25519),", "SKEYSEED,", "SK_er", "établi", "4022.000", "+20.000"]
        {
            assert!(text.contains(word), "{word} at {width}:\n{text}");
        }
        let letters = LadderText::render(&many(5), width).matches('x').count();
        assert!(letters >= 4 * 300, "{letters} at {width}");
    }
}

#[test]
fn a_lost_message_stops_before_it_arrives() {
    let text = LadderText::render(&two(), 80);
    let lost = text.lines().find(|line| line.contains(" lost ")).unwrap();
    assert!(lost.contains('x') && lost.ends_with('│') && !lost.contains('►'));
    assert_eq!(text.matches('►').count(), 1);
    assert_eq!(text.matches('◄').count(), 1);
    assert_eq!(LadderText::render(&many(9), 60).matches("(lost)").count(), 8);
}

#[test]
fn events_are_drawn_in_order_of_time_and_equal_times_in_order_given() {
    let mut ladder = two();
    ladder.events.reverse();
    assert_eq!(LadderText::render(&ladder, 80), LadderText::render(&two(), 80));
    assert_eq!(svg::render(&ladder), svg::render(&two()));
    let notes = |texts: [&str; 2]| {
        let events = texts.map(|text| LadderEvent::note(7, "left", text)).into();
        LadderText::render(&Ladder { events, ..Ladder::default() }, 80)
    };
    assert!(notes(["first", "second"]).find("first") < notes(["first", "second"]).find("second"));
    assert!(notes(["second", "first"]).find("second") < notes(["second", "first"]).find("first"));
}

#[test]
fn names_longer_than_their_columns_are_shortened_and_do_not_touch() {
    let heading = LadderText::render(&Ladder { title: String::new(), ..many(3) }, 80);
    let heading = heading.lines().next().unwrap();
    assert_eq!(heading.matches('…').count(), 3, "{heading}");
    assert_eq!(heading.split_whitespace().count(), 3, "{heading}");
}

#[test]
fn a_node_that_only_events_name_gets_its_lifeline() {
    let ladder = Ladder { events: two().events, ..Ladder::default() };
    let heading = LadderText::render(&ladder, 80).lines().next().unwrap().to_owned();
    assert_eq!(heading.split_whitespace().collect::<Vec<_>>(), ["left", "right"]);
}

#[test]
fn the_picture_is_well_formed_and_holds_every_text() {
    for ladder in [Ladder::default(), two(), many(1), many(9)] {
        let picture = svg::render(&ladder);
        let document = roxmltree::Document::parse(&picture).unwrap();
        assert!(document.descendants().all(|node| !node.has_tag_name("script")));
        assert_eq!(picture, svg::render(&ladder));
    }
    let picture = svg::render(&two());
    let document = roxmltree::Document::parse(&picture).unwrap();
    let texts: Vec<&str> =
        document.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect();
    for text in ["left", "right", "établi", "lost", "4022.000 ms"] {
        assert!(texts.contains(&text), "{text}");
    }
}

#[test]
fn arrows_slant_downwards_even_without_delay() {
    let ladder = Ladder {
        events: vec![message("a", "b", 5, Some(5)), message("b", "a", 5, Some(9))],
        ..Ladder::default()
    };
    let picture = svg::render(&ladder);
    let document = roxmltree::Document::parse(&picture).unwrap();
    let arrows = document.descendants().filter(|node| node.attribute("stroke") == Some("#0072b2"));
    let number = |node: roxmltree::Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let falls: Vec<bool> = arrows.map(|node| number(node, "y2") >= number(node, "y1")).collect();
    assert_eq!(falls, [true, true]);
}

#[test]
fn hostile_texts_are_escaped() {
    let hostile = "</text><script>alert('&\"')</script>\u{0}\u{1b}[31m";
    let ladder = Ladder {
        title: hostile.into(),
        participants: participants(&[hostile]),
        events: vec![LadderEvent::note(0, hostile, hostile), message(hostile, "b", 0, None)],
    };
    let picture = svg::render(&ladder);
    let document = roxmltree::Document::parse(&picture).unwrap();
    assert!(document.descendants().all(|node| !node.has_tag_name("script")));
}

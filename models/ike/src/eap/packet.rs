//! EAP packets (RFC 3748 §4, §5).
//!
//! A packet owns its data. Octets behind the Length field are padding of a link and are dropped, as §4.1 wants; so
//! are longer packets than [`PACKET_LEN_MAX`], which no method here needs. Expanded types (§5.7) keep their type and
//! lose their data: all that anybody does with one here is to refuse it.

/// The longest packet that is read: the least MTU that links owe EAP (RFC 3748 §3.1).
pub const PACKET_LEN_MAX: usize = 1020;

const HEADER_LEN: usize = 4;
const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const SUCCESS: u8 = 3;
const FAILURE: u8 = 4;

/// What matches responses to requests (RFC 3748 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier(pub u8);

impl Identifier {
    /// The next one; after 255 comes 0.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Types of requests and responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EapType {
    /// Identity, 1.
    Identity,
    /// Notification, 2.
    Notification,
    /// Legacy Nak, 3; in responses alone.
    Nak,
    /// MD5-Challenge, 4.
    Md5Challenge,
    /// `MSCHAPv2`, 26.
    MsChapV2,
    /// Expanded types, 254; not understood.
    Expanded,
    /// Any other.
    Other(u8),
}

impl EapType {
    /// The type of a number.
    pub const fn from_octet(octet: u8) -> Self {
        match octet {
            1 => Self::Identity,
            2 => Self::Notification,
            3 => Self::Nak,
            4 => Self::Md5Challenge,
            26 => Self::MsChapV2,
            254 => Self::Expanded,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    pub const fn octet(self) -> u8 {
        match self {
            Self::Identity => 1,
            Self::Notification => 2,
            Self::Nak => 3,
            Self::Md5Challenge => 4,
            Self::MsChapV2 => 26,
            Self::Expanded => 254,
            Self::Other(octet) => octet,
        }
    }
}

/// Type and Type-Data of a request or response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The type.
    pub kind: EapType,
    /// The type's data.
    pub data: Vec<u8>,
}

impl Content {
    /// Content of `kind`.
    pub fn new(kind: EapType, data: impl Into<Vec<u8>>) -> Self {
        Self { kind, data: data.into() }
    }
}

/// One EAP packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// From the authenticator.
    Request(Identifier, Content),
    /// From the peer.
    Response(Identifier, Content),
    /// The end, well.
    Success(Identifier),
    /// The end, refused.
    Failure(Identifier),
}

/// Why octets are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than its header or its Length field.
    #[error("EAP packet has {actual} bytes, {expected} are needed")]
    Truncated {
        /// What is needed.
        expected: usize,
        /// What is there.
        actual: usize,
    },
    /// A Length field that the code does not allow.
    #[error("EAP packet of code {code} has length {length}")]
    Length {
        /// The code.
        code: u8,
        /// The Length field.
        length: usize,
    },
    /// Not one of the four codes.
    #[error("EAP code {code} is unknown")]
    Code {
        /// The code.
        code: u8,
    },
    /// A Nak that is a request or names no type (RFC 3748 §5.3.1).
    #[error("EAP Nak in the wrong place or without a type")]
    Nak,
}

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    /// When the octets are none of the four forms, or too many.
    pub fn decode(octets: &[u8]) -> Result<Self, PacketError> {
        let truncated = |expected| PacketError::Truncated { expected, actual: octets.len() };
        let [code, identifier, high, low, ..] = *octets else { return Err(truncated(HEADER_LEN)) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(HEADER_LEN..=PACKET_LEN_MAX).contains(&length) {
            return Err(PacketError::Length { code, length });
        }
        let body = octets.get(HEADER_LEN..length).ok_or(truncated(length))?;
        let identifier = Identifier(identifier);
        match (code, body) {
            (REQUEST, [kind, data @ ..]) => Ok(Self::Request(identifier, request_content(*kind, data)?)),
            (RESPONSE, [kind, data @ ..]) => Ok(Self::Response(identifier, response_content(*kind, data)?)),
            (SUCCESS, []) => Ok(Self::Success(identifier)),
            (FAILURE, []) => Ok(Self::Failure(identifier)),
            (REQUEST | RESPONSE | SUCCESS | FAILURE, _) => Err(PacketError::Length { code, length }),
            (code, _) => Err(PacketError::Code { code }),
        }
    }

    /// The packet's octets.
    ///
    /// # Panics
    /// When the data makes the packet longer than [`PACKET_LEN_MAX`].
    pub fn encode(&self) -> Vec<u8> {
        let (code, identifier, content) = match self {
            Self::Request(identifier, content) => (REQUEST, identifier, Some(content)),
            Self::Response(identifier, content) => (RESPONSE, identifier, Some(content)),
            Self::Success(identifier) => (SUCCESS, identifier, None),
            Self::Failure(identifier) => (FAILURE, identifier, None),
        };
        let length = HEADER_LEN + content.map_or(0, |content| 1 + content.data.len());
        assert!(length <= PACKET_LEN_MAX, "an EAP packet of {length} octets is too long");
        #[expect(clippy::cast_possible_truncation, reason = "the limit is below 2^16")]
        let [high, low] = (length as u16).to_be_bytes();
        let mut octets = vec![code, identifier.0, high, low];
        if let Some(Content { kind, data }) = content {
            octets.push(kind.octet());
            octets.extend_from_slice(data);
        }
        octets
    }
}

fn request_content(kind: u8, data: &[u8]) -> Result<Content, PacketError> {
    match EapType::from_octet(kind) {
        EapType::Nak => Err(PacketError::Nak),
        EapType::Expanded => Ok(Content::new(EapType::Expanded, [])),
        kind => Ok(Content::new(kind, data)),
    }
}

fn response_content(kind: u8, data: &[u8]) -> Result<Content, PacketError> {
    match EapType::from_octet(kind) {
        EapType::Nak if data.is_empty() => Err(PacketError::Nak),
        EapType::Expanded => Ok(Content::new(EapType::Expanded, [])),
        kind => Ok(Content::new(kind, data)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content() -> impl Strategy<Value = Content> {
        let data = proptest::collection::vec(any::<u8>(), 1..100);
        (any::<u8>().prop_filter("kept whole", |kind| *kind != 254), data)
            .prop_map(|(kind, data)| Content::new(EapType::from_octet(kind), data))
    }

    fn packet() -> impl Strategy<Value = Packet> {
        (0..4_u8, any::<u8>().prop_map(Identifier), content()).prop_map(|(code, id, content)| match code {
            0 if content.kind != EapType::Nak => Packet::Request(id, content),
            1 => Packet::Response(id, content),
            2 => Packet::Success(id),
            _ => Packet::Failure(id),
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_with_padding_behind_it(packet in packet(), pad in 0..4_usize) {
            let mut octets = packet.encode();
            octets.resize(octets.len() + pad, 0);
            prop_assert_eq!(Packet::decode(&octets), Ok(packet));
        }

        #[test]
        fn no_octets_panic_and_what_decodes_encodes_to_what_was_read(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(packet) = Packet::decode(&octets) {
                let again = packet.encode();
                prop_assert_eq!(&again[..4.min(again.len())][..2], &octets[..2]);
                prop_assert_eq!(Packet::decode(&again), Ok(packet));
            }
        }
    }

    #[test]
    fn every_prefix_of_a_packet_is_refused() {
        let octets = Packet::Request(Identifier(7), Content::new(EapType::Md5Challenge, [1; 17])).encode();
        for len in 0..octets.len() {
            let error = Packet::decode(&octets[..len]).unwrap_err();
            assert!(matches!(error, PacketError::Truncated { .. }), "{len}: {error}");
        }
    }

    #[test]
    fn wrong_lengths_codes_and_naks_are_refused() {
        let too_long = u16::try_from(PACKET_LEN_MAX + 1).unwrap().to_be_bytes();
        let mut long = vec![1, 0, too_long[0], too_long[1]];
        long.resize(2000, 1);
        let cases: [(&[u8], PacketError); 7] = [
            (&[1, 0, 0, 3, 1], PacketError::Length { code: 1, length: 3 }),
            (&[1, 0, 0, 4], PacketError::Length { code: 1, length: 4 }),
            (&[3, 0, 0, 5, 1], PacketError::Length { code: 3, length: 5 }),
            (&[5, 0, 0, 5, 1], PacketError::Code { code: 5 }),
            (&[1, 0, 0, 6, 3, 4], PacketError::Nak),
            (&[2, 0, 0, 5, 3], PacketError::Nak),
            (&long, PacketError::Length { code: 1, length: PACKET_LEN_MAX + 1 }),
        ];
        for (octets, expected) in cases {
            assert_eq!(Packet::decode(octets), Err(expected));
        }
    }

    #[test]
    fn expanded_types_are_known_by_their_type_alone() {
        let packet = Packet::decode(&[1, 9, 0, 12, 254, 0, 0, 0, 0, 0, 0, 4]).unwrap();
        assert_eq!(packet, Packet::Request(Identifier(9), Content::new(EapType::Expanded, [])));
    }
}

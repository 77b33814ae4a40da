//! What each side says first.

use super::{Block, NegotiationError};
use crate::{TubId, vocabulary};

/// The versions of Banana that we speak: 3 has PING, PONG and calls without answers.
pub(super) const BANANA_RANGE: (u32, u32) = (3, 3);

/// Which connection the peer's decision named last, as whoever isn't the master remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastConnection {
    /// Which run of the master it was.
    pub incarnation: String,
    /// Which of its connections.
    pub sequence: u64,
}

impl LastConnection {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (incarnation, sequence) = text.split_once(' ')?;
        let sequence = sequence.trim().parse().ok()?;
        let incarnation = incarnation.to_owned();
        Some(Self {
            incarnation,
            sequence,
        })
    }
}

impl std::fmt::Display for LastConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.incarnation, self.sequence)
    }
}

/// What one side offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Who it is.
    pub tub_id: TubId,
    /// Which run of its program; old ones don't say.
    pub incarnation: Option<String>,
    /// From clients: which connection they remember; `Some(None)` if they remember none.
    pub last_connection: Option<Option<LastConnection>>,
    pub(super) banana: (u32, u32),
    pub(super) vocabulary: (u32, u32),
}

impl Hello {
    /// Makes our own.
    pub fn new(tub_id: TubId, incarnation: &str) -> Self {
        Self {
            tub_id,
            incarnation: Some(incarnation.to_owned()),
            last_connection: None,
            banana: BANANA_RANGE,
            vocabulary: vocabulary::RANGE,
        }
    }

    /// Writes the block.
    pub fn to_block(&self) -> Block {
        let range = |(low, high): (u32, u32)| format!("{low} {high}");
        let mut block = Block::default()
            .with("banana-negotiation-range", range(self.banana))
            .with("initial-vocab-table-range", range(self.vocabulary))
            .with("my-tub-id", self.tub_id);
        if let Some(incarnation) = &self.incarnation {
            block = block.with("my-incarnation", incarnation);
        }
        match &self.last_connection {
            Some(Some(last)) => block.with("last-connection", last),
            Some(None) => block.with("last-connection", "none 0"),
            None => block,
        }
    }

    /// Reads the peer's block.
    pub fn from_block(block: &Block) -> Result<Self, NegotiationError> {
        if let Some(error) = block.value("error") {
            return Err(NegotiationError::Refused(error.to_owned()));
        }
        const BANANA: &str = "banana-negotiation-range";
        let banana = block
            .pair(BANANA)
            .ok_or(NegotiationError::Missing(BANANA))??;
        let tub_id = block.value("my-tub-id").and_then(|id| id.parse().ok());
        let last = |text: &str| LastConnection::parse(text).filter(|l| l.incarnation != "none");
        let incarnation = block
            .value("my-incarnation")
            .filter(|text| !text.is_empty());
        Ok(Self {
            tub_id: tub_id.ok_or(NegotiationError::Missing("my-tub-id"))?,
            incarnation: incarnation.map(str::to_owned),
            last_connection: block.value("last-connection").map(last),
            banana,
            vocabulary: block
                .pair("initial-vocab-table-range")
                .unwrap_or(Ok((0, 0)))?,
        })
    }
}

/// The greatest number in both ranges.
pub(super) fn best_overlap(
    ours: (u32, u32),
    theirs: (u32, u32),
    what: &'static str,
) -> Result<u32, NegotiationError> {
    let number = ours.1.min(theirs.1);
    let error = |who| Err(NegotiationError::NoOverlap { who, what, number });
    if number < ours.0 {
        error("I")
    } else if number < theirs.0 {
        error("You")
    } else {
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let mut hello = Hello::new(TubId::from_bytes([3; 20]), "cafe");
        for last in [
            None,
            Some(None),
            Some(Some(LastConnection {
                incarnation: "beef".to_owned(),
                sequence: 7,
            })),
        ] {
            hello.last_connection = last;
            assert_eq!(Hello::from_block(&hello.to_block()), Ok(hello.clone()));
        }
        let error = Block::default().with("error", "no");
        let refused = NegotiationError::Refused("no".to_owned());
        assert_eq!(Hello::from_block(&error), Err(refused));
        assert!(Hello::from_block(&Block::default()).is_err());
    }

    #[test]
    fn ranges_overlap_at_the_greatest_common_number() {
        assert_eq!(best_overlap((1, 3), (2, 5), "x"), Ok(3));
        assert_eq!(best_overlap((1, 3), (1, 2), "x"), Ok(2));
        let error = |who, number| {
            Err(NegotiationError::NoOverlap {
                who,
                what: "x",
                number,
            })
        };
        assert_eq!(best_overlap((3, 3), (1, 2), "x"), error("I", 2));
        assert_eq!(best_overlap((1, 3), (4, 5), "x"), error("You", 3));
    }
}

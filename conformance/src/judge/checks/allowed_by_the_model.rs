//! The specification as a whole: some behaviour of the cluster model explains the history.
//!
//! The safety checks know the rules one by one; the model knows them together.

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::Source;

use super::definition::{Agents, Applies, Asked, Definition, End, Name};
use crate::history::History;
use crate::history::parts::Recording;
use crate::judge::facts::{end_state, lock, processes, writable};
use crate::judge::model::query::Query;
use crate::judge::model::{Answer, explain};
use crate::judge::verdict::Check;

/// `allowed-by-the-model`: some behaviour of the edition explains the history.
pub static ALLOWED_BY_THE_MODEL: Definition = Definition {
    name: Name::Own {
        id: "allowed-by-the-model",
        says: "some behaviour of the cluster model, by the agent's edition, explains everything that was observed",
    },
    needs: &[Source::Etcd, Source::Postgres],
    agents: Agents::Edition,
    applies: Applies::Always,
    inconclusive: "the cluster has more than three nodes, a fault had no effect, or the search came to its limit",
    carries: &[
        &lock::LAST,
        &lock::BEFORE_THE_FAULTS,
        &processes::OPEN,
        &writable::PROOFS,
        &end_state::BEFORE_THE_FAULTS,
    ],
    asked: Asked::AtTheEnd(|end: &End| explained(end.query, end.edition, end.recording)),
};

/// The outcome of `allowed-by-the-model` for a history that is held.
pub fn allowed(history: &History, edition: Edition) -> Check {
    explained(&Query::of(history), edition, &Recording::held(history))
}

fn explained(query: &Result<Query, String>, edition: Edition, recording: &Recording) -> Check {
    let query = match query {
        Ok(query) => query,
        Err(why) => return ALLOWED_BY_THE_MODEL.inconclusive(why),
    };
    match explain(query, edition, recording) {
        Answer::Explained(why) => ALLOWED_BY_THE_MODEL.pass(why),
        Answer::Refuted(refutation, seq) => {
            let check = ALLOWED_BY_THE_MODEL.fail(refutation.text()).at(Some(seq));
            Check { refutation: Some(refutation), ..check }
        }
        Answer::Unseen(why) => ALLOWED_BY_THE_MODEL.fail(why),
        Answer::Limit(why) => ALLOWED_BY_THE_MODEL.inconclusive(why),
    }
}

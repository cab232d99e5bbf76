//! The bugs that can be planted, by their numbers in the bug zoo.

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal, [$($breaks:literal),+];)+) => {
        /// The bugs that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
            /// All of them, in the order of the bug zoo.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name used in scenarios and on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// Number in the bug zoo.
            pub fn number(self) -> u8 {
                match self { $(Self::$name => $number),+ }
            }

            /// What is wrong with it.
            pub fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),+ }
            }

            /// The properties of which at least one must be reported when this bug is planted.
            pub fn breaks(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($breaks),+]),+ }
            }

            /// The bug of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
            }
        }
    };
}

mutants! {
    /// A voter whose disk was wiped votes at once, as if it had never voted.
    WipedVotesAtOnce = 1, "wiped_votes_at_once", ["E1", "E2"];
    /// Recovery by nonce and majority only: votes carry no crash vectors.
    NoVectorsInVotes = 2, "no_vectors_in_votes", ["E1"];
    /// A candidate looks at its own crash vector, not at those of the votes.
    VectorsFilteredLocally = 3, "vectors_filtered_locally", ["E1"];
    /// A wiped voter rejoins at once, although it may have promised a lease.
    NoQuarantine = 4, "no_quarantine", ["E1", "L1"];
    /// A vote leaves before it is durable.
    VoteSentBeforeSync = 5, "vote_sent_before_sync", ["E1", "E2"];
    /// A candidate's vote for itself is not recorded.
    OwnVoteNotRecorded = 6, "own_vote_not_recorded", ["E1", "E2"];
    /// A heartbeat of the same term clears the vote.
    SteppingDownClearsVote = 7, "stepping_down_clears_vote", ["E1", "E2"];
    /// A late request of an older term takes the promised term back.
    PromisedTermGoesBack = 8, "promised_term_goes_back", ["E2"];
    /// A vote of an older term counts.
    OlderVoteCounted = 9, "older_vote_counted", ["E3"];
    /// Votes are counted by message, not by voter.
    VotesCountedByMessage = 10, "votes_counted_by_message", ["E3"];
    /// A majority of those that answer elects.
    QuorumOfTheLive = 11, "quorum_of_the_live", ["M1", "E3", "E1"];
    /// A node that is alone starts the cluster anew.
    IsolatedBootstraps = 12, "isolated_bootstraps", ["M1", "M2", "F4"];
    /// A vote counts after its campaign's deadline.
    LateVoteCounted = 13, "late_vote_counted", ["E1", "L1"];
    /// A restarted leader leads on without an election.
    RestartedLeaderResumes = 14, "restarted_leader_resumes", ["E4", "L1"];
    /// Leases count from the arrival of an acknowledgement, not from the sending.
    LeaseFromReply = 15, "lease_from_reply", ["L1"];
    /// The guard measures its lease on the wall clock.
    LeaseOnWallClock = 16, "lease_on_wall_clock", ["L1", "L2"];
    /// A lease is counted in ticks of the leader, not in time.
    LeaseInTicks = 17, "lease_in_ticks", ["L1", "L2"];
    /// A lease is over when its timer fires, whatever the clock says.
    DeadlineTrustedToTimer = 18, "deadline_trusted_to_timer", ["L2"];
    /// What is left of a lease is an unsigned difference.
    DeadlineUnderflow = 19, "deadline_underflow", ["L2"];
    /// A vote is given in spite of another leader's promise.
    PromiseOverwritten = 20, "promise_overwritten", ["L1"];
    /// A release names a node, not an incarnation and a term.
    ReleaseByNode = 21, "release_by_node", ["L4"];
    /// Leadership is released before the work has stopped.
    ReleasedBeforeWorkStopped = 23, "released_before_work_stopped", ["L3"];
    /// A leader goes on renewing after its lease has ended.
    RenewalPastDeadline = 24, "renewal_past_deadline", ["L2", "L1"];
    /// The guard is not told that leadership was lost.
    LossNotNoticed = 25, "loss_not_noticed", ["S1", "S2", "L1", "L2"];
    /// A delayed reset of an older leadership removes the new one.
    DelayedResetObeyed = 26, "delayed_reset_obeyed", ["L4"];
    /// The store lets a deposed holder settle its claims.
    DeposedObeyed = 27, "deposed_obeyed", ["F1"];
    /// A guard is handed out without a fresh look at the lease.
    StaleWaiter = 28, "stale_waiter", ["L2"];
    /// A cold start sets the floor back.
    TokenForgottenByWipe = 29, "token_forgotten_by_wipe", ["F2", "F4"];
    /// The store checks no fence.
    NoFenceCheck = 30, "no_fence_check", ["F1", "D1"];
    /// Leader and term of the status are published one after the other.
    TornStatus = 32, "torn_status", ["S1"];
    /// A voter campaigns without asking whether it would be elected.
    NoPreVote = 33, "no_pre_vote", ["V1"];
    /// What a worker that is not heard from has claimed is pending again at once, for another.
    MissedHeartbeatReruns = 34, "missed_heartbeat_reruns", ["W2", "D1", "D3"];
    /// What fires is decided by the clock alone: the record of the last instant is not asked.
    TickFiredAgain = 35, "tick_fired_again", ["J1"];
    /// A new leader begins with the instants after its own start.
    TickLostAtHandover = 36, "tick_lost_at_handover", ["J3"];
    /// A unit of work is given to another worker before the first one has let go of it.
    RevocationNotAwaited = 37, "revocation_not_awaited", ["W1", "W2"];
    /// A message is sent first, and claimed and marked when the recipient has it.
    SentThenMarked = 38, "sent_then_marked", ["D5", "D1"];
    /// A send without an answer is repeated at once, under a new idempotency key.
    RetriedUnderNewKey = 39, "retried_under_new_key", ["D1", "D3"];
    /// An in-doubt message is sent again after the sink's deduplication window.
    WindowIgnored = 40, "window_ignored", ["D1", "D3"];
    /// Whose term is below the floor does not learn the floor, neither from the roll nor when refused.
    FloorNeverLearned = 41, "floor_never_learned", ["V4", "V1"];
    /// "Am I the leader?" is asked of the status, then the message is sent and marked.
    FoundingDesign = 42, "founding_design", ["L2", "D1"];
    /// A claim without an answer is replayed under the next token, as if nothing had happened since.
    AmbiguousWriteReplayed = 43, "ambiguous_write_replayed", ["D1", "D3", "D4"];
    /// When all were wiped, nobody starts the cluster anew.
    NeverStartsAnew = 44, "never_starts_anew", ["V1", "V2"];
    /// The roll call lists nodes, not boots.
    RollListsNodes = 45, "roll_lists_nodes", ["E1", "E2"];
    /// A message is sent while an earlier one of its key is in doubt.
    DoubtOvertaken = 46, "doubt_overtaken", ["D6"];
}

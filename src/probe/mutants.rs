//! The bugs that can be planted, by the module of the product that they are planted in, each with
//! its number in the bug zoo and the real bug that it stands for.

macro_rules! mutants {
    ($($module:ident {
        $($(#[doc = $doc:literal])+
        $name:ident = $number:literal, $text:literal, [$($breaks:literal),+], $seen:literal;)+
    })+) => {
        /// The bugs that can be planted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $($($(#[doc = $doc])+ $name,)+)+
        }

        impl Mutant {
            /// All of them, module by module, in each by their numbers.
            pub const ALL: &[Self] = &[$($(Self::$name),+),+];

            /// The name used in scenarios and on the command line.
            pub fn name(self) -> &'static str {
                match self { $($(Self::$name => $text),+),+ }
            }

            /// Number in the bug zoo.
            pub fn number(self) -> u8 {
                match self { $($(Self::$name => $number),+),+ }
            }

            /// The module of the product that it is planted in.
            pub fn module(self) -> &'static str {
                match self { $($(Self::$name)|+ => stringify!($module)),+ }
            }

            /// What is wrong with it.
            pub fn about(self) -> &'static str {
                match self { $($(Self::$name => concat!($($doc),+).trim_ascii()),+),+ }
            }

            /// Where the real bug was seen.
            pub fn seen_in(self) -> &'static str {
                match self { $($(Self::$name => $seen),+),+ }
            }

            /// The properties of which at least one must be reported when this bug is planted.
            pub fn breaks(self) -> &'static [&'static str] {
                match self { $($(Self::$name => &[$($breaks),+]),+),+ }
            }

            /// The bug of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
            }
        }
    };
}

mutants! {
    election {
        /// A voter whose disk was wiped votes at once, as if it had never voted.
        WipedVotesAtOnce = 1, "wiped_votes_at_once", ["E1", "E2"],
            "openraft's FAQ; TigerBeetle's notes on recovery";
        /// Recovery by nonce and majority only: votes carry no crash vectors.
        NoVectorsInVotes = 2, "no_vectors_in_votes", ["E1", "E3"],
            "Viewstamped Replication Revisited, as DISC 2017 §6 shows";
        /// A candidate looks at its own crash vector, not at those of the votes.
        VectorsFilteredLocally = 3, "vectors_filtered_locally", ["E1", "E3"],
            "JPaxos, as DISC 2017 §6 shows";
        /// A wiped voter rejoins at once, although it may have promised a lease.
        NoQuarantine = 4, "no_quarantine", ["E1", "L1"], "models of this protocol";
        /// A vote leaves before it is durable.
        VoteSentBeforeSync = 5, "vote_sent_before_sync", ["E1", "E2"],
            "jgroups-raft; cornerstone #65";
        /// A candidate's vote for itself is not recorded.
        OwnVoteNotRecorded = 6, "own_vote_not_recorded", ["E1", "E2"], "nebula #3415";
        /// A heartbeat of the same term clears the vote.
        SteppingDownClearsVote = 7, "stepping_down_clears_vote", ["E1", "E2"], "CCF #8094";
        /// A late request of an older term takes the promised term back.
        PromisedTermGoesBack = 8, "promised_term_goes_back", ["E2"], "nebula #2405";
        /// A vote of an older term counts.
        OlderVoteCounted = 9, "older_vote_counted", ["E3"], "little-raft #44";
        /// Votes are counted by message, not by voter.
        VotesCountedByMessage = 10, "votes_counted_by_message", ["E3"], "xraft #27";
        /// A majority of those that answer elects.
        QuorumOfTheLive = 11, "quorum_of_the_live", ["M1", "E3", "E1"],
            "tarantool #6471; Hazelcast 3.8.3";
        /// A node that is alone starts the cluster anew.
        IsolatedBootstraps = 12, "isolated_bootstraps", ["M1", "F4"],
            "seaweedfs #10880; hashicorp/raft #122";
        /// A vote counts after its campaign's deadline.
        LateVoteCounted = 13, "late_vote_counted", ["E1", "L1"], "a re-check of PaxosLease";
        /// A restarted leader leads on without an election.
        RestartedLeaderResumes = 14, "restarted_leader_resumes", ["E4", "L1"],
            "openraft's notes on configuration";
        /// Leases count from the arrival of an acknowledgement, not from the sending.
        LeaseFromReply = 15, "lease_from_reply", ["L1"], "openraft's notes on the leader lease";
        /// A lease is counted in ticks of the leader, not in time.
        LeaseInTicks = 17, "lease_in_ticks", ["L1", "L2"], "etcd #6005; tikv #964";
        /// A vote is given in spite of another leader's promise.
        PromiseOverwritten = 20, "promise_overwritten", ["L1"], "a re-check of PaxosLease";
        /// A release names a node: neither an incarnation nor a term.
        ReleaseByNode = 21, "release_by_node", ["L4"], "River #1213";
        /// A leader goes on renewing after its lease has ended.
        RenewalPastDeadline = 24, "renewal_past_deadline", ["L2", "L1"],
            "kubernetes #23731 and #44887";
        /// A voter campaigns without asking whether it would be elected.
        NoPreVote = 33, "no_pre_vote", ["V1"], "Cloudflare's outage of 2020-11-02";
        /// Whose term is below the floor does not learn it, neither from the roll nor when refused.
        FloorNeverLearned = 41, "floor_never_learned", ["V4", "V1"], "models of this protocol";
        /// When all were wiped, nobody starts the cluster anew.
        NeverStartsAnew = 44, "never_starts_anew", ["V1", "V2"], "Curator CURATOR-724, measured";
        /// The roll call lists nodes, not boots.
        RollListsNodes = 45, "roll_lists_nodes", ["E1", "E2"], "models of this protocol";
        /// With a store, a voter that remembers keeps its state when a majority has forgotten, and
        /// whenever else nobody can be elected: the forgetful will hear each other.
        ForgetfulTrustedToMeet = 54, "forgetful_trusted_to_meet", ["V1", "V5"],
            "this election, until links broke between those that forgot";
        /// The clock of a voter is compared with that of its process before.
        BootsShareAClock = 47, "boots_share_a_clock", ["L6"], "this election, until the testbed's clocks began anew";
        /// A newer generation is believed as soon as one peer speaks of it.
        GenerationBelievedAtOnce = 75, "generation_believed_at_once", ["V1", "V2"],
            "this election, until a single packet stopped it";
        /// A term is followed however far ahead it lies.
        TermJumpUnbounded = 76, "term_jump_unbounded", ["V1"],
            "this election, whose bound two packets got round";
        /// A voter whose poll came to nothing waits a minute before the next one.
        PollsOnceAMinute = 60, "polls_once_a_minute", ["V5"],
            "back-offs without a bound, as in many a retry loop";
    }
    cluster {
        /// A lease is over when its timer fires, whatever the clock says.
        DeadlineTrustedToTimer = 18, "deadline_trusted_to_timer", ["L2"],
            "a re-check of PaxosLease";
        /// What is left of a lease is an unsigned difference.
        DeadlineUnderflow = 19, "deadline_underflow", ["L2"], "a re-check of PaxosLease";
        /// Leadership is released before the work has stopped.
        ReleasedBeforeWorkStopped = 23, "released_before_work_stopped", ["L3"],
            "kubernetes #139991; client-go #728";
        /// The guard is not told that leadership was lost.
        LossNotNoticed = 25, "loss_not_noticed", ["S1", "S2", "L1", "L2"], "Curator CURATOR-696";
        /// A reset that was meant for an earlier leadership is neither cancelled nor recognised.
        DelayedResetObeyed = 26, "delayed_reset_obeyed", ["L4"], "Curator CURATOR-620";
        /// A guard is handed out without a fresh look at the lease.
        StaleWaiter = 28, "stale_waiter", ["L2"], "etcd #11456";
        /// A leader that holds a guard and has lost its store leads on.
        LeaderKeepsLeadingWithoutStore = 48, "leader_keeps_leading_without_store",
            ["V5", "V6", "V3"], "this project, by a trial";
        /// A leader whose store has lost the floor stands back for ever.
        FallenFenceNeverRaised = 49, "fallen_fence_never_raised", ["V3", "V1", "V5", "V6"],
            "this project, by a trial";
    }
    node {
        /// The guard measures its lease on the wall clock.
        LeaseOnWallClock = 16, "lease_on_wall_clock", ["L1", "L2"], "d-engine #158; nebula #2723";
        /// Leader and term of the status are published one after the other.
        TornStatus = 32, "torn_status", ["S1"], "jgroups-raft #218";
    }
    store {
        /// A holder that comes again, restarted and elected anew, is taken for the one that holds the
        /// floor already.
        RestartTakenForHolder = 22, "restart_taken_for_holder", ["F2", "L4"],
            "an example of the ZooKeeper book";
        /// The store lets a deposed holder settle its claims.
        DeposedObeyed = 27, "deposed_obeyed", ["F1"], "etcd #15247";
        /// A cold start sets the floor back.
        TokenForgottenByWipe = 29, "token_forgotten_by_wipe", ["F2", "F4"],
            "znode sequence numbers; the DynamoDB lock client #62";
        /// The store checks no fence.
        NoFenceCheck = 30, "no_fence_check", ["F1", "D1"],
            "etcd #11457; client-go's own disclaimer";
        /// What a worker that is not heard from has claimed is pending again at once, for another.
        MissedHeartbeatReruns = 34, "missed_heartbeat_reruns", ["W2", "D1", "D3"],
            "quartznet #2817; Oban's lifeline";
        /// What fires is decided by the clock alone: the record of the last instant is not asked.
        TickFiredAgain = 35, "tick_fired_again", ["J1"], "quartz #463; nomad #7894";
        /// A new leader begins with the instants after its own start.
        TickLostAtHandover = 36, "tick_lost_at_handover", ["J3"], "sidekiq #6804; dkron #1210";
        /// A message is sent while an earlier one of its key is in doubt.
        DoubtOvertaken = 46, "doubt_overtaken", ["D6"],
            "Kafka's notes on max.in.flight.requests.per.connection";
        /// When a message is due again is believed, though the store's clock was ahead when it was written.
        NotBeforeTrusted = 55, "not_before_trusted", ["V3", "V6"],
            "this outbox, until its clock was set wrong on purpose";
    }
    delivery {
        /// A message is sent first, and claimed and marked when the recipient has it.
        SentThenMarked = 38, "sent_then_marked", ["D5", "D1"], "every at-least-once outbox";
        /// A send without an answer is repeated at once, under a new idempotency key.
        RetriedUnderNewKey = 39, "retried_under_new_key", ["D1", "D3"],
            "hashicorp/raft's notes on apply";
        /// An in-doubt message is sent again after the sink's deduplication window.
        WindowIgnored = 40, "window_ignored", ["D1", "D3"], "SQS FIFO's five minutes";
        /// "Am I the leader?" is asked of the status, then the message is sent and marked.
        FoundingDesign = 42, "founding_design", ["L2", "D1"], "Adventures in Clustering, part 1";
        /// A claim without an answer is replayed under the next token, as if nothing had come between.
        AmbiguousWriteReplayed = 43, "ambiguous_write_replayed", ["D1", "D3", "D4"],
            "Curator 2.13, 5.4 and 5.7, measured";
        /// A dispatcher whose store did not answer looks no more until it has a new guard.
        StopsLooking = 61, "stops_looking", ["V6", "V3"], "pollers that die with their first exception";
        /// What a sink that refuses everything says of a message is taken for the message's fault.
        SickSinkKillsMessages = 51, "sick_sink_kills_messages", ["D7"],
            "this delivery, beside a web server that answered 404 for nine seconds";
        /// A sink that refused everything once is not tried again.
        PauseNeverProbes = 52, "pause_never_probes", ["V3", "V6"], "circuit breakers that never close";
        /// What is claimed under the living token, and by nobody's doing, stays claimed.
        OwnOrphanedClaimsForgotten = 50, "own_orphaned_claims_forgotten", ["V3", "V6"],
            "this project, by a trial";
    }
    jobs {
        /// A cursor that was written while the store's clock was ahead holds its job until that time comes.
        CursorTrusted = 53, "cursor_trusted", ["J4"], "this scheduler, in its first version";
    }
    work {
        /// A unit of work is given to another worker before the first one has let go of it.
        RevocationNotAwaited = 37, "revocation_not_awaited", ["W1", "W2"], "KAFKA-16147";
        /// A worker keeps the units that it was given, although it never says that it holds them.
        IdlersKeepTheirUnits = 77, "idlers_keep_their_units", ["V3"],
            "this distribution, until somebody made workers up";
    }
}

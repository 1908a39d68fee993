//! The guards of the protocol, each of which a test can switch off.

/// One guard.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A beat is of the incarnation that lives.
    BeatEpoch,
    /// A write is of the incarnation that lives.
    PutEpoch,
    /// Whoever leaves is the incarnation that lives.
    LeaveEpoch,
    /// A claim fences the incarnation from that moment on.
    FenceOnClaim,
    /// A claim is about an agent whose lease has ended.
    Lease,
    /// A reap is by the claim that holds.
    ReapFence,
    /// A cleanup that is taken on has a new fence.
    FenceBump,
    /// A cleanup is taken on where its lease has ended...
    TakeOn,
    /// ...and not before.
    ClaimLease,
    /// A claim's lease is renewed with each step.
    LeaseOfSteps,
    /// After an outage everybody first has time to beat.
    Outage,
    /// After a restart that is a whole lease.
    Restart,
    /// Too many dead are doubted.
    Brake,
    /// Nobody becomes a member under a name that is being cleaned up.
    Busy,
    /// A registration is the same as another one only with its nonce.
    Nonce,
    /// A name whose lease has ended is free only after its cleanup.
    Unclaimed,
    /// Only what the store has lost may go on as what it was.
    LostOnly,
    /// An epoch is larger than those that were forgotten.
    Hybrid,
    /// An objection aborts a cleanup...
    Objection,
    /// ...but not one that has begun to delete.
    LateObjection,
    /// What is deleted is what the incarnation has written, whatever its name begins with.
    WholeName,
    /// A dry sweep claims nobody.
    Dry,
    /// A lost coordinator is told to one at a time...
    LostAgain,
    /// ...and until it is settled.
    LostStays,
    /// The answer to a cleanup that is completed is given again.
    DoneAgain,
}

impl Guard {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::BeatEpoch,
        Self::PutEpoch,
        Self::LeaveEpoch,
        Self::FenceOnClaim,
        Self::Lease,
        Self::ReapFence,
        Self::FenceBump,
        Self::TakeOn,
        Self::ClaimLease,
        Self::LeaseOfSteps,
        Self::Outage,
        Self::Restart,
        Self::Brake,
        Self::Busy,
        Self::Nonce,
        Self::Unclaimed,
        Self::LostOnly,
        Self::Hybrid,
        Self::Objection,
        Self::LateObjection,
        Self::WholeName,
        Self::Dry,
        Self::LostAgain,
        Self::LostStays,
        Self::DoneAgain,
    ];
}

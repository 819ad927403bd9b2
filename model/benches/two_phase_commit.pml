/*
 * Two-phase commit (Gray and Lamport, "Consensus on Transaction Commit", 2006, section 4): the actions of TwoPhase.tla, one option each.
 *
 * N is the number of resource managers, 7, 8 or 9 (spin -DN=8). There is one process with one control location, so that what SPIN
 * stores are the states of the specification, one for one. A set of resource managers is a short of one bit for each.
 */

#define ALL ((1 << N) - 1)
#define RM(i) (1 << (i))

/* A resource manager in none of these three sets has aborted. */
short working = ALL;
short prepared;
short committed;
short sent;  /* messages "prepared", never lost */
short known; /* those that the transaction manager has received */
/* The transaction manager has decided, and its message is sent. */
bit tm_committed;
bit tm_aborted;

#define TM_INIT (!tm_committed && !tm_aborted)
#define ABORTED (ALL & ~(working | prepared | committed))
#define CONSISTENT assert(!(committed && ABORTED))

#define ACTIONS(i) \
    :: d_step { TM_INIT && (sent & RM(i)) -> known = known | RM(i) } \
    :: d_step { working & RM(i) -> working = working & ~RM(i); prepared = prepared | RM(i); sent = sent | RM(i) } \
    :: d_step { working & RM(i) -> working = working & ~RM(i); CONSISTENT } \
    :: d_step { tm_committed -> working = working & ~RM(i); prepared = prepared & ~RM(i); \
                committed = committed | RM(i); CONSISTENT } \
    :: d_step { tm_aborted -> working = working & ~RM(i); prepared = prepared & ~RM(i); \
                committed = committed & ~RM(i); CONSISTENT }

active proctype two_phase_commit()
{
end:
    do
    :: d_step { TM_INIT && known == ALL -> tm_committed = 1 }
    :: d_step { TM_INIT -> tm_aborted = 1 }
    ACTIONS(0)
    ACTIONS(1)
    ACTIONS(2)
    ACTIONS(3)
    ACTIONS(4)
    ACTIONS(5)
    ACTIONS(6)
#if N > 7
    ACTIONS(7)
#endif
#if N > 8
    ACTIONS(8)
#endif
    od
}

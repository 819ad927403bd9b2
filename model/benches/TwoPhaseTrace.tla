---------------------------- MODULE TwoPhaseTrace ----------------------------
(* Which traces are explained by two-phase commit: each event says that a resource manager has changed its state; what the transaction
   manager does is not seen. A cursor goes along each trace, by the steps of the specification. A trace of which all is explained is
   printed, and what can be no more than that is not explored. *)
EXTENDS TwoPhase, Sequences, TLC, Traces

VARIABLES trace, at

TraceInit == Init /\ trace \in 1..Len(Traces) /\ at = 1

Unseen ==
  /\ at <= Len(Traces[trace])
  /\ TMCommit \/ TMAbort \/ \E rm \in RM: TMRcvPrepared(rm)
  /\ UNCHANGED <<trace, at>>

Seen ==
  /\ at <= Len(Traces[trace])
  /\ LET event == Traces[trace][at]
     IN /\ rmState[event.rm] # event.to
        /\ RMPrepare(event.rm) \/ RMChooseToAbort(event.rm) \/ RMRcvCommitMsg(event.rm) \/ RMRcvAbortMsg(event.rm)
        /\ rmState'[event.rm] = event.to
  /\ at' = at + 1
  /\ UNCHANGED trace

TraceSpec == TraceInit /\ [][Unseen \/ Seen]_<<rmState, tmState, tmPrepared, msgs, trace, at>>

Accepted == at <= Len(Traces[trace]) \/ PrintT(<<"accepted", trace>>)
=============================================================================

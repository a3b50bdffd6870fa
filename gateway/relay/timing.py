"""Every time of the relay, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """In seconds.

    Attributes:
        gather_s: marks made within it travel together.
        longest_gather_s: the same for acknowledgements of turns that have more to
            deliver; few enough events come in it for the agent's windows not to close.
        alive_s: after so long without a mark a relay says that it lives; an
            agent wants to hear something every 3 s.
        linger_s: an idle relay stays attached so long: attaching costs more than
            staying, and most turns come in conversations.
        hello_s: an agent that has not greeted a new relay by then is broken.
        farewell_s: how long the agent may take to end a stream that we closed.
        reach_s: how long an agent may take to come up.
        submit_s: how long a command is tried on an agent that is up.
        status_s: the same for a question about its status.
        history_s: the same for a page of what was said, which may be much.
        diff_s: how long an agent may take to look at its workspace; it gives up before.
        follow_s: after so long whoever follows events asks whether the agent is
            still there: one whose machine is gone ends no connection.
        retire_s: how long an agent may take to end its turns when it is deleted.
        graceful_s, goodbye_s: how much of that a DELETE waits for, with and
            without a chance for the running turn.
        first_backoff_s, longest_backoff_s: the window of the random wait before
            a broken relay is attached again doubles from the one to the other.
        attaches: so many breaks in a row leave it to the next message or nudge.
        note_after_s: a turn that is unsettled for so long gets a note on its pod.
        note_gather_s: turns that are due within it are noted together.
        unnoted_s: a final that is settled waits so long for its note to go, then its
            mark goes without; a note is tried to be removed again after as long.
        drain_s: how long a command waits for the agent to be drained.
        look_s: how often pods with notes are looked at, changed or not.
        reattach_s: a noted pod is given a relay so often, unless it has one.
        reconcile_s: so often notes that the relay knows nothing of are asked for.
        release_s: how long the relay of a lost agent may take to end what it holds.
        others_s: who does not relay an agent that is lost waits so long for who does.
    """

    gather_s: float = 0.003
    longest_gather_s: float = 0.06
    alive_s: float = 2.5
    linger_s: float = 60.0
    hello_s: float = 5.0
    farewell_s: float = 2.0
    reach_s: float = 5.0
    submit_s: float = 3.0
    status_s: float = 2.0
    history_s: float = 20.0
    diff_s: float = 25.0
    follow_s: float = 60.0
    retire_s: float = 30.0
    graceful_s: float = 10.0
    goodbye_s: float = 1.0
    first_backoff_s: float = 0.1
    longest_backoff_s: float = 5.0
    attaches: int = 8
    note_after_s: float = 1.0
    note_gather_s: float = 0.25
    unnoted_s: float = 5.0
    drain_s: float = 3.0
    look_s: float = 2.0
    reattach_s: float = 45.0
    reconcile_s: float = 45.0
    release_s: float = 15.0
    others_s: float = 30.0


STANDARD = Timing()

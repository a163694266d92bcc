"""The Hub, or a copy of it on disk: one commit per name and run, files proven to be of it, one policy of asking.

``commits`` turns names into commits, ``listing`` says what one has, ``snapshot`` has it here and checks it, ``view``
gives a data set's library the part that is wanted, ``streaming`` the beginning of large files; ``asking`` is the one
place that uses the network, and ``words`` says in a sentence what went wrong.
"""

from tasks.hub.commits import forget, resolve, take, taken
from tasks.hub.modes import go_offline, look_only, looking, offline, set_tell, tell, without_downloads
from tasks.hub.names import Name, parsed
from tasks.hub.snapshot import NotHere, lacking
from tasks.hub.view import mirror
from tasks.hub.words import HubError

__all__ = [
    "HubError",
    "Name",
    "NotHere",
    "forget",
    "go_offline",
    "lacking",
    "look_only",
    "looking",
    "mirror",
    "offline",
    "parsed",
    "resolve",
    "set_tell",
    "take",
    "taken",
    "tell",
    "without_downloads",
]

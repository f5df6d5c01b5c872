"""Calls on sockets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.buffers import RECEIVED, sent
from tracer.decode.kinds.descriptors import FD, FD_PAIR
from tracer.decode.kinds.messages import MESSAGE_RECEIVED, MESSAGE_SENT
from tracer.decode.kinds.numbers import INT, LENGTH_IN_OUT, SIZE
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.socket_addresses import address_in, address_out
from tracer.decode.kinds.socket_options import LEVEL, OPTION, OPTION_IN, OPTION_OUT
from tracer.decode.kinds.sockets import ACCEPT_FLAGS, FAMILY, HOW, MESSAGE_FLAGS, PROTOCOL, TYPE
from tracer.decode.signature import Signature, call

_to = call(("sockfd", FD), ("addr", address_in(2)), ("addrlen", INT))
_from = (("sockfd", FD), ("addr", address_out(2)), ("addrlen", LENGTH_IN_OUT))
_option = (("sockfd", FD), ("level", LEVEL), ("optname", OPTION))

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "socket": call(("domain", FAMILY), ("type", TYPE), ("protocol", PROTOCOL), returns=DESCRIPTOR),
        "socketpair": call(("domain", FAMILY), ("type", TYPE), ("protocol", SIZE), ("sv", FD_PAIR)),
        "bind": _to,
        "connect": _to,
        "listen": call(("sockfd", FD), ("backlog", INT)),
        "accept": call(*_from, returns=DESCRIPTOR),
        "accept4": call(*_from, ("flags", ACCEPT_FLAGS), returns=DESCRIPTOR),
        "getsockname": call(*_from),
        "getpeername": call(*_from),
        "sendto": call(
            ("sockfd", FD),
            ("buf", sent(2)),
            ("len", SIZE),
            ("flags", MESSAGE_FLAGS),
            ("dest_addr", address_in(5)),
            ("addrlen", INT),
        ),
        "recvfrom": call(
            ("sockfd", FD),
            ("buf", RECEIVED),
            ("len", SIZE),
            ("flags", MESSAGE_FLAGS),
            ("src_addr", address_out(5)),
            ("addrlen", LENGTH_IN_OUT),
        ),
        "sendmsg": call(("sockfd", FD), ("msg", MESSAGE_SENT), ("flags", MESSAGE_FLAGS)),
        "recvmsg": call(("sockfd", FD), ("msg", MESSAGE_RECEIVED), ("flags", MESSAGE_FLAGS)),
        "shutdown": call(("sockfd", FD), ("how", HOW)),
        "getsockopt": call(*_option, ("optval", OPTION_OUT), ("optlen", LENGTH_IN_OUT)),
        "setsockopt": call(*_option, ("optval", OPTION_IN), ("optlen", INT)),
    }
)

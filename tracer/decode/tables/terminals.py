"""Values of struct termios: <asm-generic/termbits.h>. Order is the order of output."""

from __future__ import annotations

from types import MappingProxyType

INPUT_FLAGS = (
    (0x1, "IGNBRK"),
    (0x2, "BRKINT"),
    (0x4, "IGNPAR"),
    (0x8, "PARMRK"),
    (0x10, "INPCK"),
    (0x20, "ISTRIP"),
    (0x40, "INLCR"),
    (0x80, "IGNCR"),
    (0x100, "ICRNL"),
    (0x200, "IUCLC"),
    (0x400, "IXON"),
    (0x800, "IXANY"),
    (0x1000, "IXOFF"),
    (0x2000, "IMAXBEL"),
    (0x4000, "IUTF8"),
)

OUTPUT_FLAGS = (
    (0x1800, "XTABS"),
    (0x1, "OPOST"),
    (0x2, "OLCUC"),
    (0x4, "ONLCR"),
    (0x8, "OCRNL"),
    (0x10, "ONOCR"),
    (0x20, "ONLRET"),
    (0x40, "OFILL"),
    (0x80, "OFDEL"),
)

CONTROL_FLAGS = (
    (0x40, "CSTOPB"),
    (0x80, "CREAD"),
    (0x100, "PARENB"),
    (0x200, "PARODD"),
    (0x400, "HUPCL"),
    (0x800, "CLOCAL"),
    (0x40000000, "CMSPAR"),
    (0x80000000, "CRTSCTS"),
)

LOCAL_FLAGS = (
    (0x1, "ISIG"),
    (0x2, "ICANON"),
    (0x4, "XCASE"),
    (0x8, "ECHO"),
    (0x10, "ECHOE"),
    (0x20, "ECHOK"),
    (0x40, "ECHONL"),
    (0x80, "NOFLSH"),
    (0x8000, "IEXTEN"),
    (0x200, "ECHOCTL"),
    (0x400, "ECHOPRT"),
    (0x800, "ECHOKE"),
    (0x1000, "FLUSHO"),
    (0x4000, "PENDIN"),
    (0x100, "TOSTOP"),
    (0x10000, "EXTPROC"),
)

BAUD = MappingProxyType(
    {
        0x0: "B0",
        0x1: "B50",
        0x2: "B75",
        0x3: "B110",
        0x4: "B134",
        0x5: "B150",
        0x6: "B200",
        0x7: "B300",
        0x8: "B600",
        0x9: "B1200",
        0xA: "B1800",
        0xB: "B2400",
        0xC: "B4800",
        0xD: "B9600",
        0xE: "B19200",
        0xF: "B38400",
        0x1001: "B57600",
        0x1002: "B115200",
        0x1003: "B230400",
        0x1004: "B460800",
        0x1005: "B500000",
        0x1006: "B576000",
        0x1007: "B921600",
        0x1008: "B1000000",
        0x1009: "B1152000",
        0x100A: "B1500000",
        0x100B: "B2000000",
        0x100C: "B2500000",
        0x100D: "B3000000",
        0x100E: "B3500000",
        0x100F: "B4000000",
        0x1000: "BOTHER",
    }
)

CHARACTER_SIZE = MappingProxyType(
    {
        0x0: "CS5",
        0x10: "CS6",
        0x20: "CS7",
        0x30: "CS8",
    }
)

NEWLINE_DELAY = MappingProxyType(
    {
        0x0: "NL0",
        0x100: "NL1",
    }
)

RETURN_DELAY = MappingProxyType(
    {
        0x0: "CR0",
        0x200: "CR1",
        0x400: "CR2",
        0x600: "CR3",
    }
)

TAB_DELAY = MappingProxyType(
    {
        0x1800: "XTABS",
        0x0: "TAB0",
        0x800: "TAB1",
        0x1000: "TAB2",
    }
)

BACKSPACE_DELAY = MappingProxyType(
    {
        0x2000: "BS1",
        0x0: "BS0",
    }
)

VERTICAL_TAB_DELAY = MappingProxyType(
    {
        0x0: "VT0",
        0x4000: "VT1",
    }
)

FORM_FEED_DELAY = MappingProxyType(
    {
        0x0: "FF0",
        0x8000: "FF1",
    }
)

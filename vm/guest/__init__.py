"""What runs inside a guest: real scripts, and the wire format both ends of the channel share."""

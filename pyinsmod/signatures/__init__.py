"""The signature appended to a module: what stands in it, and what the kernel makes of it.

    appended    the end of the file: marker, info block, where the signed part ends
    ber         BER → calls of named notes, as the kernel's decoder walks a grammar
    grammar     the grammar of a PKCS#7 message, as the kernel has it
    message     the notes: a PKCS#7 message, or the errno the kernel's parser gives
    algorithms  object identifiers, and which kernels know which
    public_key  RSA and ECDSA: does this signature belong to this digest and this key
    facts       what people are shown of it: signer, key, digest
    verdict     all of it together: the kernel's judgement before `sig_enforce` and lockdown are asked

Nothing here is imported for a module without a signature.
"""

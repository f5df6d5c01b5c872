"""What else may refuse the call: seccomp filters and security modules.

The hooks are `security_kernel_read_file` and `security_kernel_load_data`, called when the file is read; a seccomp
filter answers before the kernel even looks at the call. Both come before anything of the module is judged.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "security-policy", 5


def check_security_policy(_image: ModuleImage, _facts: KernelFacts, request: LoadRequest) -> Iterator[Finding]:
    """Yield a refusal for a policy that says it will refuse, and a warning for each that may: those tell nobody."""
    for policy in request.policies:
        yield Finding(
            NAME,
            STEP,
            "refuses" if policy.refuses else "warns",
            policy.summary,
            errno=policy.errno,
            kernel_has=policy.seen,
            remedy=policy.remedy,
        )

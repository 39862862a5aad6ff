"""Chat models behind one protocol: adapters, and wrappers that make a call bounded, paid for and recorded.

Importing this package loads no vendor library; building an adapter does.
"""

from battcrm.infra.llm.build import json_chat

__all__ = ["json_chat"]

"""The VK channel."""

from __future__ import annotations

from typing import Final

from battcrm.transport.base import Manifest, Reply
from battcrm.transport.vk.client import BASE_URL, VkApi
from battcrm.transport.vk.files import VkFiles
from battcrm.transport.vk.lifecycle import VkLifecycle
from battcrm.transport.vk.parse import parse
from battcrm.transport.vk.poll import VkPoller
from battcrm.transport.vk.send import CAPABILITIES, VkSender
from battcrm.transport.vk.verify import PLAIN, verify

MANIFEST: Final = Manifest(
    kind="vk",
    title="VK",
    capabilities=CAPABILITIES,
    parse=parse,
    verify=verify,
    sender=VkSender,
    # VK counts anything but these two letters as a failure.
    accepted=Reply(200, b"ok", PLAIN),
    secret_in_body=True,
    poller=VkPoller,
    lifecycle=VkLifecycle,
    files=VkFiles,
    hydrator=VkApi,
    required_secrets=("token", "webhook_secret"),
    default_base_url=BASE_URL,
)

"""VK communities: Callback API or Bots Long Poll in, messages.send out."""

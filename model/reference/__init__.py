"""The model in torch: what accuracy is held against, and what others fine-tune from."""

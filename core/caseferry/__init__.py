"""Move annotated medical imaging cases between platforms, with nothing lost."""

"""One module a scenario; each has LIMIT_SECONDS, ADDRESSES (put on `lo`) and run(context)."""

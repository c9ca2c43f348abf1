"""Runs every flow against MURRE_URL and prints TAP: `python run.py [name…]`."""

import asyncio
import sys
import time
import traceback

import flows
import flows_more


async def main():
    every = flows.FLOWS + flows_more.FLOWS
    chosen = [(name, flow) for name, flow in every if not sys.argv[1:] or any(a in name for a in sys.argv[1:])]
    print(f"1..{len(chosen)}")
    passed = 0
    for n, (name, flow) in enumerate(chosen, 1):
        started, opened = time.monotonic(), []
        try:
            await flow(opened)
            passed += 1
            print(f"ok {n} - python: {name} # {(time.monotonic() - started) * 1000:.0f} ms", flush=True)
        except Exception:
            print(f"not ok {n} - python: {name}\n# " + traceback.format_exc().rstrip().replace("\n", "\n# "), flush=True)
        await asyncio.gather(*(c.close() for c in opened), return_exceptions=True)
    print(f"# python: {passed} passed, {len(chosen) - passed} failed")
    return 0 if passed == len(chosen) and chosen else 1


sys.exit(asyncio.run(main()))

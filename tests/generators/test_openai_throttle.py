"""How many requests are let in at once follows what the server bears."""

from __future__ import annotations

import asyncio

from empeval.generators.openai.throttle import Throttle


async def enter(throttle, count):
    """Try to enter so often, in this turn of the loop; when each came in."""
    tries = [asyncio.create_task(throttle.enter()) for _ in range(count)]
    await asyncio.sleep(0.01)
    inside = [task.result() for task in tries if task.done()]
    for task in tries:
        task.cancel()
    return inside


def test_one_goes_alone_until_it_was_answered():
    async def scene():
        throttle = Throttle(4)
        first = await enter(throttle, 6)
        throttle.answered()
        then = await enter(throttle, 6)
        return len(first), len(then), throttle.busiest

    assert asyncio.run(scene()) == (1, 3, 4)


def test_being_told_to_slow_down_halves_the_number_once_for_all_that_were_under_way():
    async def scene():
        throttle = Throttle(16)
        throttle.answered()
        entered = await enter(throttle, 16)
        limits = [throttle.limit]
        for moment in entered[:8]:
            throttle.leave()
            throttle.slow_down(moment, 0.0)
            limits.append(throttle.limit)
        later = asyncio.get_running_loop().time()
        throttle.slow_down(later, 0.0)
        return [*limits, throttle.limit]

    assert asyncio.run(scene()) == [16.0, *[8.0] * 8, 4.0]


def test_a_round_of_answers_makes_about_one_more_and_never_more_than_the_most():
    async def scene():
        throttle = Throttle(8)
        throttle.answered()
        throttle.slow_down(0.0, 0.0)
        limits = []
        for _ in range(60):
            throttle.answered()
            limits.append(throttle.limit)
        return limits

    limits = asyncio.run(scene())
    assert 4.9 < limits[3] < 5.1
    assert limits[-1] == 8.0


def test_nobody_enters_before_the_server_wants_it_nor_after_it_was_shut():
    async def scene():
        throttle = Throttle(4)
        throttle.answered()
        throttle.slow_down(0.0, 0.1)
        early = await enter(throttle, 1)
        await asyncio.sleep(0.12)
        late = await enter(throttle, 1)
        throttle.shut()
        return len(early), len(late), len(await enter(throttle, 1))

    assert asyncio.run(scene()) == (0, 1, 0)

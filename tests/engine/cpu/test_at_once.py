"""Parts of an objective at the same time: the gradients of their sum, in any order of the threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gantool.engine.cpu.at_once import Together
from gantool.engine.runtime import Runtime
from gantool.engine.task import Parts, Player
from gantool.nets.registry import build_generator


def parts_of(net: nn.Module, images: Tensor) -> list[Callable[[], Tensor]]:
    return [partial(lambda n: net(images[n : n + 1]).square().mean(), n) for n in range(2)]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.usefixtures("two_threads")
def test_weights_move_as_by_one_part_after_the_other(layout: torch.memory_format) -> None:
    """With the fused optimizer, which takes a gradient for its storage: one in another layout moves other weights."""

    def trained(*, at_once: bool) -> tuple[list[Tensor], list[str]]:
        torch.manual_seed(0)
        net = build_generator("resnet_light", width=4).to(memory_format=layout)
        images = torch.rand(2, 3, 32, 32).to(memory_format=layout) * 2 - 1
        player = Player("one", {"net": net}, torch.optim.Adam(net.parameters(), lr=1e-3, fused=True))
        runtime = Runtime("cpu", 1, "fp32")
        runtime.prepare([player])
        update, names = runtime.make_update(), list[str]()
        meet = threading.Barrier(2)

        def note(*_: object) -> None:
            names.append(threading.current_thread().name)
            if at_once:
                meet.wait(60)  # so that no thread does both

        net.register_forward_hook(note)
        for _ in range(3):
            update(player, Parts(parts_of(net, images), at_once))
        assert all(p.grad is not None and p.grad.stride() == p.stride() for p in net.parameters())
        return [p.detach() for p in net.parameters() if p.dim() > 1], names  # biases have no gradient but rounding

    (turns, main), (once, threads) = trained(at_once=False), trained(at_once=True)
    assert {*main} == {threading.current_thread().name}
    assert {*threads} == {"gantool-part_0", "gantool-part_1"}
    assert all((a - b).abs().max() <= 1e-5 for a, b in zip(turns, once, strict=True))
    again, _ = trained(at_once=True)
    assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))


@pytest.mark.usefixtures("two_threads")
def test_each_part_has_its_share_of_the_cores() -> None:
    weight = nn.Parameter(torch.ones(()))
    together = Together(2, nullcontext)
    seen: dict[str, int] = {}

    def part(name: str) -> Tensor:
        torch.rand(64, 64) @ torch.rand(64, 64)
        seen[name] = torch.get_num_threads()
        return weight * 1

    for _ in range(3):
        together.backward(Parts([partial(part, "a"), partial(part, "b")]), [weight])
    later = threading.Thread(target=lambda: seen.update(later=torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == {"a": 1, "b": 1, "later": 2}
    assert torch.get_num_threads() == 2
    assert weight.grad == 6


def test_one_gradient_of_two_weights_becomes_two() -> None:
    """What clips or changes one in place would change both."""
    one, two = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    parts = [lambda: ((one + two) * 3).sum(), lambda: (one * 0).sum()]
    Together(2, nullcontext).backward(Parts(parts[:1] * 2), [one, two])
    Together(2, nullcontext).backward(Parts(parts), [one, two])
    assert one.grad is not None and two.grad is not None
    assert one.grad.data_ptr() != two.grad.data_ptr()
    one.grad = two.grad = None
    Together(1, nullcontext).backward(Parts(parts[:1]), [one, two])
    assert one.grad.data_ptr() != two.grad.data_ptr()
    assert one.grad.tolist() == two.grad.tolist() == [3.0] * 3


@pytest.mark.parametrize(("threads", "shared"), [(1, False), (2, True), (3, False), (8, True), (9, True)])
def test_where_cores_can_be_shared(threads: int, shared: bool) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert Runtime("cpu", 1, "fp32").shares_cores is shared
    finally:
        torch.set_num_threads(before)


def test_gradients_are_added_where_there_are_any() -> None:
    both, one, none = (nn.Parameter(torch.full((2,), 2.0)) for _ in range(3))
    both.grad = torch.tensor([1.0, 1.0])
    parts = [lambda: (both * both).sum(), lambda: (both * one).sum()]
    Together(2, nullcontext).backward(Parts(parts), [both, one, none])
    assert both.grad is not None and both.grad.tolist() == [1 + 4 + 2] * 2
    assert one.grad is not None and one.grad.tolist() == [2, 2]
    assert none.grad is None


def test_what_a_part_raises_is_raised_when_all_have_ended() -> None:
    weight, ended = nn.Parameter(torch.ones(())), threading.Event()

    def fails() -> Tensor:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    def takes_longer() -> Tensor:
        threading.Event().wait(0.2)
        ended.set()
        return weight * 2

    together = Together(2, nullcontext)
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        together.backward(Parts([fails, takes_longer]), [weight])
    assert ended.is_set()
    assert weight.grad is None
    together.backward(Parts([takes_longer, takes_longer]), [weight])
    assert weight.grad == 4


@pytest.mark.usefixtures("two_threads")
def test_bf16_is_cast_anew_for_every_call() -> None:
    """A cache that threads share would add gradients in bf16 or in fp32, whichever thread is faster."""
    weight = nn.Parameter(torch.rand(1, 4))
    rows = torch.rand(2, 1, 4)
    runtime = Runtime("cpu", 1, "bf16")

    def part(n: int) -> Tensor:
        first, second = (nn.functional.linear(rows[n], weight) for _ in range(2))
        assert first.dtype == torch.bfloat16
        return (first + second).float().sum()

    Together(2, runtime.autocast).backward(Parts([partial(part, 0), partial(part, 1)]), [weight])
    assert weight.grad is not None
    assert torch.equal(weight.grad, 2 * rows[0].bfloat16().float() + 2 * rows[1].bfloat16().float())
    assert torch.is_autocast_cache_enabled()


@pytest.mark.usefixtures("two_threads")
def test_compiled_networks_have_their_own_threads() -> None:
    net = build_generator("resnet_light", width=2)
    player = Player("one", {"net": net}, torch.optim.Adam(net.parameters()))
    runtime = Runtime("cpu", 1, "fp32")
    runtime.prepare([player])
    names: list[str] = []
    net.register_forward_hook(lambda *_: names.append(threading.current_thread().name))
    for compiled in (False, True):
        net._compiled_call_impl = net._call_impl if compiled else None
        runtime.make_update()(player, Parts(parts_of(net, torch.rand(2, 3, 32, 32)), at_once=True))
    assert "MainThread" not in names[:2]
    assert names[2:] == ["MainThread"] * 2

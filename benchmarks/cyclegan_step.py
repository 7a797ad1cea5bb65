"""One CycleGAN training step at the reference's settings against a plain fp32 loop.

    python benchmarks/cyclegan_step.py [--size 128] [--batch 1] [--steps 6] [--device cpu] [--compile] [--json FILE]

The plain loop makes the reference implementation's calls one by one, with torch's own layers: six generator passes,
then the discriminators, all in fp32. Ours is what `gantool train` runs: automatic precision, translated and identity
image in one call. Both are timed in alternation in this process; the ratio is what counts, the seconds depend on the
machine.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from measured import alternate, argument_parser, finish
from torch import Tensor, nn

from gantool.cards import Card, Domain
from gantool.data.augment import to_tensor
from gantool.data.sample import draw_scene
from gantool.engine.runtime import Runtime
from gantool.engine.task import Player
from gantool.methods.cyclegan.image_pool import ImagePool
from gantool.methods.cyclegan.task import CycleGan, CycleGanWeights
from gantool.methods.gan.game import Game
from gantool.nets import layers
from gantool.nets.registry import build_discriminator, build_generator


def build(
    device: torch.device, generator: str = "resnet_9blocks", width: int = 64, critic: int = 64, *, fused: bool = False
) -> tuple[Player, Player]:
    torch.manual_seed(0)
    generators = {name: build_generator(generator, width=width).to(device) for name in ("to_b", "to_a")}
    discriminators = {name: build_discriminator("basic", width=critic).to(device) for name in ("b", "a")}
    players = []
    for name, nets in (("generators", generators), ("discriminators", discriminators)):
        for net in nets.values():
            layers.initialize(net)
        parameters = [parameter for net in nets.values() for parameter in net.parameters()]
        players.append(Player(name, nets, torch.optim.Adam(parameters, lr=2e-4, betas=(0.5, 0.999), fused=fused)))
    return players[0], players[1]


def with_torchs_layers(net: nn.Module) -> None:
    """Exchange gantool's layers for those of torch that anybody would write, of the same results."""
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, layers.InstanceNorm):
                norm = nn.InstanceNorm2d(child.num_features, affine=child.affine)
                norm.weight, norm.bias = child.weight, child.bias
                setattr(module, name, norm)
            elif isinstance(child, layers.ReflectionPad):
                setattr(module, name, nn.ReflectionPad2d(child.padding))
            elif isinstance(child, layers.ReplicationPad):
                setattr(module, name, nn.ReplicationPad2d(child.padding))
            elif isinstance(child, layers.Relu):
                setattr(module, name, nn.ReLU(inplace=True))
            elif isinstance(child, layers.LeakyRelu):
                setattr(module, name, nn.LeakyReLU(child.negative_slope, inplace=True))


def plain_step(
    device: torch.device, generator: str = "resnet_9blocks", width: int = 64, critic: int = 64
) -> Callable[[Tensor, Tensor], None]:
    """The reference's step with the paper's networks, or with others."""
    generators, discriminators = build(device, generator, width, critic)
    g, f = generators.nets["to_b"], generators.nets["to_a"]
    d_b, d_a = discriminators.nets["b"], discriminators.nets["a"]
    for net in (g, f, d_b, d_a):
        with_torchs_layers(net)
    pools = ImagePool(50), ImagePool(50)

    def gan(logits: Tensor, target: float) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, target))

    def judge(critic: nn.Module, real: Tensor, fake: Tensor) -> None:
        ((gan(critic(real), 1) + gan(critic(fake), 0)) * 0.5).backward()

    def step(a: Tensor, b: Tensor) -> None:
        fake_b = g(a)
        cycled_a = f(fake_b)
        fake_a = f(b)
        cycled_b = g(fake_a)
        discriminators.requires_grad_(False)
        generators.optimizer.zero_grad()
        loss = 5 * F.l1_loss(g(b), b) + 5 * F.l1_loss(f(a), a) + gan(d_b(fake_b), 1) + gan(d_a(fake_a), 1)
        (loss + 10 * F.l1_loss(cycled_a, a) + 10 * F.l1_loss(cycled_b, b)).backward()
        generators.optimizer.step()
        discriminators.requires_grad_(True)
        discriminators.optimizer.zero_grad()
        judge(d_b, b, pools[0].exchange(fake_b))
        judge(d_a, a, pools[1].exchange(fake_a))
        discriminators.optimizer.step()

    return step


def our_step(runtime: Runtime, compiled: bool) -> Callable[[Tensor, Tensor], None]:
    generators, discriminators = build(runtime.device, fused=True)
    if compiled:
        for player in (generators, discriminators):
            for net in player.nets.values():
                net.compile()
    card = Card(task="cyclegan", domains=(Domain(name="a"), Domain(name="b")), directions=())
    task = CycleGan(card, generators, discriminators, CycleGanWeights(), Game(), pool_size=50)
    runtime.prepare(task.players)
    update = runtime.make_update()

    def step(a: Tensor, b: Tensor) -> None:
        with runtime.autocast():
            task.step({"a": a, "b": b}, update)

    return step


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    runtime = Runtime(options.device)
    scenes = [draw_scene(n, size=options.size) for n in range(options.batch)]
    a = torch.stack([to_tensor(scene.summer) for scene in scenes]).to(runtime.device)
    b = torch.stack([to_tensor(scene.winter) for scene in scenes]).to(runtime.device)
    plain, ours = plain_step(runtime.device), our_step(runtime, options.compile)

    def whole(step: Callable[[Tensor, Tensor], None]) -> Callable[[], None]:
        def run() -> None:
            step(a, b)
            if a.is_cuda:
                torch.cuda.synchronize()

        return run

    print(f"{options.size} px, batch {options.batch}, {runtime.device}, torch {torch.__version__}")
    name = f"gantool, {runtime.precision}{', compiled' if options.compile else ''}"
    finish(alternate({"plain fp32 loop": whole(plain), name: whole(ours)}, options.steps, warmup=2), options.json)


if __name__ == "__main__":
    main()

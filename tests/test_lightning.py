"""Models and data sets work with Lightning's own Trainer as any other module does."""

import pickle
import re
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

import datamodules
import models
from benchmark.budget import default_config
from datamodules.base import CTRDataModule
from models.base import Budget, CTRModel, Execution, Optimiser, SparseOptimiser

STEPS = 8  # of an epoch


@pytest.fixture(scope="module")
def data() -> CTRDataModule:
    module = datamodules.load("synthetic")(train_rows=2048, batch_size=256)
    module.prepare_data()
    return module


def mlp(data: CTRDataModule, sparse: SparseOptimiser = "adam") -> CTRModel:
    torch.manual_seed(0)
    model_class = models.load("mlp")
    model = model_class(model_class.Config(embedding_dim=4, hidden=(16,)), data.n_dense, data.cardinalities)
    model.execution = Execution(sparse_optimiser=sparse)
    return model


def trainer(folder: Path, *callbacks: pl.Callback, **settings: Any) -> pl.Trainer:
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return pl.Trainer(default_root_dir=folder, accelerator="cpu", callbacks=[*callbacks], **{**quiet, **settings})


@pytest.mark.parametrize("sparse", ["adam", "lazy_adam", "rowwise_adagrad"])
def test_a_step_of_ours_is_one_of_lightnings(data: CTRDataModule, sparse: SparseOptimiser, tmp_path: Path) -> None:
    model, fit = mlp(data, sparse), trainer(tmp_path, max_steps=10, max_epochs=9)
    fit.fit(model, data)
    assert (fit.global_step, model.steps) == (10, 10)


def test_a_trainers_steps_are_the_bare_ones_bit_for_bit(data: CTRDataModule, tmp_path: Path) -> None:
    through, bare = mlp(data), mlp(data)
    trainer(tmp_path, max_epochs=2).fit(through, data)
    bare.configure_optimizers()
    batches = data.train_dataloader()
    for batch in [*batches, *batches]:
        bare.step(batch)
    assert all(a.equal(b) for a, b in zip(through.parameters(), bare.parameters(), strict=True))


def test_checkpoints_by_metric_and_by_step_come_back_without_arguments(data: CTRDataModule, tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path / "best", "{step}", monitor="valid_auc", mode="max")
    often = ModelCheckpoint(tmp_path / "often", every_n_train_steps=4, save_top_k=-1)
    model = mlp(data)
    model.optimiser = Optimiser(learning_rate=1e-2)
    fit = trainer(tmp_path, best, often, max_epochs=3)
    fit.fit(model, data)
    steps = {f"epoch={step * 4 // STEPS - (step % 2 == 0)}-step={4 * step}.ckpt" for step in range(1, 7)}
    assert {path.name for path in (tmp_path / "often").iterdir()} == steps
    again = type(model).load_from_checkpoint(best.best_model_path)
    assert Path(best.best_model_path).name == f"step={again.steps}.ckpt"
    assert again.optimiser == model.optimiser and again.config == model.config
    [metrics] = trainer(tmp_path).validate(again, data, verbose=False)
    assert metrics["valid_auc"] == best.best_model_score


def saved(model: CTRModel, folder: Path) -> Path:
    """Return a checkpoint of the weights."""
    fit = trainer(folder)
    fit.strategy.connect(model)
    fit.save_checkpoint(folder / "it.ckpt", weights_only=True)
    return folder / "it.ckpt"


@pytest.mark.parametrize("name", models.names())
def test_every_model_comes_back_from_a_checkpoint(name: str, tmp_path: Path) -> None:
    model_class, cardinalities = models.load(name), [5, 7, 11, (3, 1)]
    config = default_config(model_class.Config, Budget(0.3e6, 2, len(cardinalities), 8))
    if name == "wukong":  # its embedding gets other cardinalities than the model
        config = config.with_field("groups", ((0, 2),))
    model = model_class(config, 2, cardinalities)
    again = model_class.load_from_checkpoint(saved(model, tmp_path))
    assert again.config == model.config and again.hparams == model.hparams
    for key, value in model.state_dict().items():
        assert again.state_dict()[key].equal(value)


def test_a_checkpoint_of_another_model_or_with_a_wrong_config_is_refused(data: CTRDataModule, tmp_path: Path) -> None:
    path = saved(mlp(data), tmp_path)
    with pytest.raises(ValueError, match="a checkpoint of MLP; expected one of Wukong"):
        models.load("wukong").load_from_checkpoint(path)
    content = torch.load(path, weights_only=True)
    content["hyper_parameters"]["config"]["hidden"] = [0]
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"it\.ckpt: hidden\.0: Input should be greater than 0$"):
        models.load("mlp").load_from_checkpoint(path)


def test_a_checkpoint_that_holds_code_is_refused(data: CTRDataModule, tmp_path: Path) -> None:
    path = saved(mlp(data), tmp_path)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "hyper_parameters": {"model": "MLP", "config": mlp(data).config}}, path)
    with pytest.raises(pickle.UnpicklingError):
        models.load("mlp").load_from_checkpoint(path)


def test_frozen_tables_stay_out_of_checkpoints_and_are_asked_for(tmp_path: Path) -> None:
    model_class = models.load("mlp")
    cardinalities = [5, torch.randn(7, 3)]
    model = model_class(model_class.Config(embedding_dim=4, hidden=(8,)), 1, cardinalities)
    path = saved(model, tmp_path)
    assert "cardinalities" not in torch.load(path, weights_only=True)["hyper_parameters"]
    with pytest.raises(ValueError, match="frozen tables, which the data set provides; pass cardinalities"):
        model_class.load_from_checkpoint(path)
    again = model_class.load_from_checkpoint(path, cardinalities=cardinalities)
    dense_BN, sparse_BF = torch.randn(6, 1), torch.randint(0, 5, (6, 2))
    assert again.eval()(dense_BN, sparse_BF).equal(model.eval()(dense_BN, sparse_BF))


def test_a_resumed_training_goes_on_as_it_began(data: CTRDataModule, tmp_path: Path) -> None:
    first = mlp(data)
    first.optimiser = Optimiser(learning_rate=3e-3)
    keep = ModelCheckpoint(tmp_path, "half")
    trainer(tmp_path, keep, max_epochs=1).fit(first, data)
    second, fit = mlp(data), trainer(tmp_path, max_epochs=2)
    fit.fit(second, data, ckpt_path=keep.best_model_path)
    assert (fit.global_step, second.steps, second.optimiser.learning_rate) == (2 * STEPS, 2 * STEPS, 3e-3)


def test_early_stopping_sees_the_metrics(data: CTRDataModule, tmp_path: Path) -> None:
    stop = EarlyStopping("valid_logloss", min_delta=100.0, patience=2)
    fit = trainer(tmp_path, stop, max_epochs=50)
    fit.fit(mlp(data), data)
    assert (stop.stopped_epoch, fit.global_step) == (2, 3 * STEPS)


def test_the_learning_rate_is_logged(data: CTRDataModule, tmp_path: Path) -> None:
    model = mlp(data)
    model.rate_of_step = lambda step: 1e-3 / (1 + step)
    logger = CSVLogger(tmp_path)
    trainer(tmp_path, LearningRateMonitor("step"), max_steps=4, max_epochs=9, logger=logger, log_every_n_steps=1).fit(
        model, data
    )
    lines = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()
    column = lines[0].split(",").index("lr-Adam/pg2")
    rates = [float(line.split(",")[column]) for line in lines[1:] if line.split(",")[column]]
    assert rates[1:] == pytest.approx([1e-3, 5e-4, 1e-3 / 3])  # read before each step: the rate of the step before


@pytest.mark.parametrize(("limit", "steps"), [(3, 3), (0.5, STEPS // 2)])
def test_train_batches_can_be_limited(data: CTRDataModule, limit: float, steps: int, tmp_path: Path) -> None:
    fit = trainer(tmp_path, max_epochs=2, limit_train_batches=limit)
    fit.fit(mlp(data), data)
    assert fit.global_step == 2 * steps


def test_bf16_mixed_is_the_precision_of_protocols(data: CTRDataModule, tmp_path: Path) -> None:
    mixed, protocols, exact = (mlp(data) for _ in range(3))
    protocols.execution = Execution(precision="bf16")
    trainer(tmp_path, max_epochs=1, precision="bf16-mixed").fit(mixed, data)
    trainer(tmp_path, max_epochs=1, precision="32-true").fit(protocols, data)
    trainer(tmp_path, max_epochs=1).fit(exact, data)
    assert mixed.metrics == protocols.metrics != exact.metrics
    assert {p.dtype for p in mixed.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", ["64-true", "bf16-true"])
def test_precisions_that_convert_weights_are_refused(data: CTRDataModule, precision: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"precision='{precision}'\): expected 32-true or bf16-mixed"):
        trainer(tmp_path, max_epochs=1, precision=precision).fit(mlp(data), data)


@pytest.mark.parametrize("setting", [{"accumulate_grad_batches": 2}, {"gradient_clip_val": 1.0}])
def test_what_our_step_does_itself_is_refused(data: CTRDataModule, setting: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Exception, match="not supported for manual optimization") as refusal:
        trainer(tmp_path, max_epochs=1, **setting).fit(mlp(data), data)
    assert "\n" not in str(refusal.value)


def test_the_sanity_check_needs_no_two_classes(data: CTRDataModule, tmp_path: Path) -> None:
    class OneClass(CTRDataModule):
        n_dense, cardinalities = data.n_dense, data.cardinalities
        train_dataloader = staticmethod(data.train_dataloader)

        def val_dataloader(self) -> DataLoader[Any]:  # type: ignore[override]
            batches = [*data.val_dataloader()]
            by_class = [tuple(part[batch[2] == label] for part in batch) for label in (0, 1) for batch in batches]
            return DataLoader(by_class, batch_size=None)  # type: ignore[arg-type]

        def prepare_data(self) -> None: ...

    model = mlp(data)
    trainer(tmp_path, max_epochs=1, num_sanity_val_steps=2).fit(model, OneClass())
    assert 0 < model.metrics["auc"] < 1


def test_hooks_of_a_step_are_called(data: CTRDataModule, tmp_path: Path) -> None:
    calls: list[str] = []

    class Listener(pl.Callback):
        def on_after_backward(self, *_: Any) -> None:
            calls.append("backward")

        def on_before_optimizer_step(self, *_: Any) -> None:
            calls.append("step")

    trainer(tmp_path, Listener(), max_steps=2, max_epochs=9).fit(mlp(data), data)
    assert calls == ["backward", "step"] * 2


def test_the_example_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(models.__file__).parents[1] / "docs" / "commands.md").read_text(encoding="utf-8")
    [example] = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "max_steps=200" in block]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example.replace("max_steps=200", "max_steps=20, val_check_interval=10, enable_progress_bar=False"), names)
    assert names["trainer"].callback_metrics["test_auc"] > 0.5 and names["model"].steps in (10, 20)

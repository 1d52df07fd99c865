"""Effective rank against spectra that are known, PCA accuracy against scikit-learn's own pipeline."""

import math

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline

from analysis import embeddings


def spectrum(variances, shift=0.0):
    """Rows whose covariance matrix has these eigenvalues, in a rotated frame."""
    D = len(variances)
    rows = np.vstack([sign * math.sqrt(D * v) * np.eye(D)[i] for i, v in enumerate(variances) for sign in (1, -1)])
    return rows @ np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))[0] + shift


@pytest.mark.parametrize(
    ("variances", "participation", "entropy", "at_99"),
    [
        ([1, 1, 1, 1], 4, 4, 4),
        ([5, 5, 0, 0, 0], 2, 2, 2),
        ([7, 0], 1, 1, 1),
        ([3, 1], 1.6, math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))), 2),
        ([98.5, 0.6, 0.9], 1e4 / (98.5**2 + 0.6**2 + 0.9**2), None, 2),
    ],
)
def test_the_effective_rank_of_a_known_spectrum(variances, participation, entropy, at_99):
    found = embeddings.effective_rank(spectrum(variances, shift=100.0))
    assert found.participation == pytest.approx(participation, rel=1e-6)
    assert entropy is None or found.entropy == pytest.approx(entropy, rel=1e-6)
    assert (found.at_99, found.rows, found.width) == (at_99, 2 * len(variances), len(variances))
    assert found.participation <= found.entropy * (1 + 1e-9)


def test_features_that_do_not_vary_have_no_rank():
    with pytest.raises(ValueError, match="the same in every row"):
        embeddings.effective_rank(np.ones((5, 3)))


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3, np.float32(1 / 3), -1e300, 1e-300])
@pytest.mark.parametrize("labels", [None, np.arange(50) % 5])
def test_features_that_are_the_same_but_for_rounding_have_no_rank(value, labels):
    X = np.full((50, 8), value, np.float64)
    X[::7, 3] *= 1 + 1e-15
    for measure in (embeddings.effective_rank, lambda X: embeddings.pca_accuracy(X, np.arange(50) % 5, (1, 2))):
        with pytest.raises(ValueError, match="the same in every row"):
            measure(X)


@pytest.mark.parametrize("scale", [1e200, 1e-200, 1e307, 1e-300, -1.0])
@pytest.mark.parametrize("name", ["nearest-mean", "logistic"])
def test_the_scale_of_the_features_changes_nothing(scale, name):
    features, labels = blobs(noise=2.0)
    expected, found = (embeddings.effective_rank(X) for X in (features, features * scale))
    assert found.participation == pytest.approx(expected.participation)
    assert (found.at_99, found.rows) == (expected.at_99, expected.rows)
    tables = [embeddings.pca_accuracy(X, labels, (1, 3, 8), name) for X in (features, features * scale)]
    assert tables[1]["accuracy"].to_numpy() == pytest.approx(tables[0]["accuracy"].to_numpy(), abs=0.01)


@pytest.mark.parametrize("name", ["nearest-mean", "logistic"])
@pytest.mark.parametrize(
    "features",
    [
        (np.arange(50) % 5)[:, None].astype(float),  # no scatter within the classes
        np.eye(5)[np.arange(50) % 5],
        np.where(np.arange(50) == 7, 1.0, 0.0)[:, None],  # all rows but one the same
        1e9 + np.random.default_rng(0).normal(size=(50, 4)),
        np.random.default_rng(0).normal(size=(30, 500)),
    ],
)
def test_nothing_is_warned_of(features, name):
    """Warnings are errors here."""
    labels = np.arange(len(features)) % 5
    table = embeddings.pca_accuracy(features, labels, (1, 2, 3), name)
    assert table["accuracy"].between(0, 1).all()
    if len(features) == 50 and features.shape[1] == 5:
        assert table["accuracy"].iloc[-1] == 1


def test_the_rows_lost_and_gained_make_the_loss():
    features, labels = blobs(noise=2.0)
    table = embeddings.pca_accuracy(features, labels, (1, 3, 8))
    assert (100 * (table["lost"] - table["gained"]) / 240).to_numpy() == pytest.approx(table["loss"].to_numpy())
    assert table[["lost", "gained"]].iloc[-1].tolist() == [0, 0]
    assert (table["lost"].iloc[:2] > 0).all()


@pytest.mark.parametrize("gained", [0.0, 0.002, 0.01, 0.05])
@pytest.mark.parametrize("rows", [60, 600, 5000])
def test_a_loss_of_the_margin_is_seldom_shown_to_be_less(rows, gained):
    rng = np.random.default_rng(4)
    counts = rng.multinomial(rows, [0.005 + gained, gained, 0.995 - 2 * gained], 2000)
    wrong = sum(embeddings.shown_to_lose_less(0.5, rows, lost, found) for lost, found, _ in counts)
    assert stats.binomtest(wrong, 2000, 0.05, alternative="greater").pvalue > 1e-3


@pytest.mark.parametrize(
    ("rows", "lost", "gained"), [(598, 0, 0), (598, 1, 0), (2000, 3, 3), (2000, 30, 30), (9000, 60, 31)]
)
def test_the_score_is_that_of_the_likelihood_held_at_the_margin(rows, lost, gained):
    """Against the maximum of the likelihood, by search."""

    def minus(q):
        p = np.array([q + 0.005, q, 1 - 2 * q - 0.005])
        return -sum(n * np.log(share) for n, share in zip((lost, gained, rows - lost - gained), p, strict=True) if n)

    q = optimize.minimize_scalar(minus, bounds=(0, 0.4), method="bounded", options={"xatol": 1e-12}).x
    z = (0.005 * rows - lost + gained) / np.sqrt(rows * (2 * q + 0.005 * 0.995))
    assert embeddings.shown_to_lose_less(0.5, rows, lost, gained) == (z > stats.norm.ppf(0.95))


def test_without_a_row_lost_the_chance_of_that_counts():
    """Of 597 rows none is lost with a chance of more than 5 % if 0.5 % are, of 598 with less."""
    assert 0.995**597 > 0.05 > 0.995**598
    assert not embeddings.shown_to_lose_less(0.5, 597, 0, 0)
    assert embeddings.shown_to_lose_less(0.5, 598, 0, 0)


def blobs(classes=4, width=12, rows=240, noise=1.0):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, classes, rows)
    means = np.zeros((classes, width))
    means[:, :classes] = 3 * np.eye(classes)
    return means[labels] + noise * rng.normal(size=(rows, width)) * np.linspace(1, 0.2, width), labels


@pytest.mark.parametrize(
    ("name", "model"), [("nearest-mean", NearestCentroid()), ("logistic", LogisticRegression(max_iter=2000))]
)
def test_the_accuracy_on_principal_axes_is_scikit_learn_s(name, model):
    features, labels = blobs(noise=2.0)
    table = embeddings.pca_accuracy(features, labels, (1, 3, 8, 500, 0), name).set_index("width")
    assert table.index.tolist() == [1, 3, 8, 12]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    for width, row in table.iterrows():
        pipeline = make_pipeline(PCA(width, svd_solver="full"), model)
        expected = (cross_val_predict(pipeline, features, labels, cv=folds) == labels).mean()
        # the logistic regression is regularised, and on another scale
        assert row["accuracy"] == pytest.approx(expected, abs=1e-9 if name == "nearest-mean" else 0.03)
        assert row["loss"] == pytest.approx(100 * (table.loc[12, "accuracy"] - row["accuracy"]))
    assert table["accuracy"].iloc[0] < table["accuracy"].iloc[1] - 0.1


def test_classes_on_a_simplex_lie_on_one_axis_less_than_classes():
    features, labels = blobs(noise=0.1)
    table = embeddings.pca_accuracy(features, labels, range(1, 6)).set_index("width")
    assert (table["accuracy"].loc[3:] == 1).all()
    assert table.loc[1, "accuracy"] < 1
    assert embeddings.effective_rank(features).participation == pytest.approx(3, abs=0.1)


def test_the_files_are_read(tmp_path):
    features, labels = blobs()
    np.save(tmp_path / "x.npy", features.astype(np.float16))
    np.save(tmp_path / "y.npy", np.array(["cat", "dog", "emu", "fox"])[labels])
    found, classes = embeddings.read(tmp_path / "x.npy", tmp_path / "y.npy")
    assert found.dtype == np.float64
    assert (found == features.astype(np.float16)).all()
    assert classes.tolist() == labels.tolist()
    assert embeddings.read(tmp_path / "x.npy")[1] is None


def test_of_many_rows_the_same_are_always_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "ROWS", 50)
    np.save(tmp_path / "x.npy", np.arange(400.0).reshape(200, 2))
    np.save(tmp_path / "y.npy", np.arange(200) % 4)
    (features, labels), again = (embeddings.read(tmp_path / "x.npy", tmp_path / "y.npy") for _ in range(2))
    assert features.shape == (52, 2)
    assert (features == again[0]).all()
    assert (features[:, 0] / 2 % 4 == labels).all()
    alone = [embeddings.read(tmp_path / "x.npy")[0] for _ in range(2)]
    assert alone[0].shape == (50, 2)
    assert (alone[0] == alone[1]).all()


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ([400, 597, 3], [20, 30, 2]),  # the last class would have lost its rows to chance
        ([5] * 60, [2] * 60),  # so would many of as many classes as rows are kept
        ([2] * 100, [2] * 100),  # two rows of each are more than the number to keep
        ([20, 30], [20, 30]),  # nothing to leave out
        ([510, 490], [26, 25]),
    ],
)
def test_every_class_keeps_its_share_of_the_rows(counts, kept, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "ROWS", 50)
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)) - 7, counts))
    np.save(tmp_path / "x.npy", np.arange(len(labels))[:, None])
    np.save(tmp_path / "y.npy", labels)
    features, classes = embeddings.read(tmp_path / "x.npy", tmp_path / "y.npy")
    assert np.bincount(classes).tolist() == kept
    rows = features[:, 0].astype(int)
    assert (np.diff(rows) > 0).all()
    assert (labels[rows] + 7 == classes).all()


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (["cat"] * 200, "only class 'cat'"),
        (["cat"] * 100 + ["dog"] * 99 + ["emu"], "one row of class 'emu'"),
        (["cat"] * 198 + ["fox", "emu"], "one row of class 'emu', and of 1 more"),
    ],
)
def test_classes_too_small_to_divide_are_told_before_rows_are_left_out(labels, got, tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "ROWS", 50)
    np.save(tmp_path / "x.npy", np.eye(200))
    np.save(tmp_path / "y.npy", np.array(labels))
    with pytest.raises(ValueError, match=f"y.npy: expected at least two classes of at least two rows each, got {got}$"):
        embeddings.read(tmp_path / "x.npy", tmp_path / "y.npy")


def test_a_row_that_is_no_number_is_told_wherever_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "ROWS", 50)
    for row in (0, 49, 50, 199):
        features = np.ones((200, 2), np.float16)
        features[row, 1] = np.nan
        np.save(tmp_path / "x.npy", features)
        with pytest.raises(ValueError, match="1 of 200 rows hold NaN or infinity"):
            embeddings.read(tmp_path / "x.npy")


def test_chance_is_the_share_of_the_largest_class():
    labels = np.repeat([0, 1, 2], [10, 30, 20])
    table = embeddings.pca_accuracy(np.random.default_rng(0).normal(size=(60, 3)), labels, (1, 2), "logistic")
    assert table["chance"].tolist() == [0.5] * 3
    assert table["classifier"].tolist() == ["logistic"] * 3


def test_a_loss_of_one_row_in_two_hundred_is_half_a_point():
    """Not a rounding error less: whether it is below a margin of half a point hangs on it."""
    rng = np.random.default_rng(3)
    labels = np.arange(200) % 3
    features = np.eye(3, 9)[labels] + rng.normal(size=(200, 9))
    table = embeddings.pca_accuracy(features, labels, range(1, 9))
    assert ((2 * table["loss"]) % 1 == 0).all()
    assert table["loss"].nunique() > 3


@pytest.mark.parametrize(
    ("labels", "message"), [([0] * 6, "at least two classes"), ([0, 0, 0, 1, 1, 2], r"got \[1, 2, 3\]")]
)
def test_classes_too_small_to_divide_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        embeddings.pca_accuracy(np.eye(6), np.array(labels), (2,))


def test_of_far_more_numbers_than_rows_there_are_as_many_axes_as_rows():
    """The same as by the covariance matrix, which is then far larger, up to the signs of the axes."""
    wide = np.random.default_rng(0).normal(size=(12, 60)) * np.arange(1, 61)
    variances, axes = embeddings._principal_axes(wide)
    assert axes.shape == (60, 12)
    values, vectors = np.linalg.eigh(np.cov(wide.T, bias=True))
    assert variances == pytest.approx(values[::-1][:12], abs=1e-9)
    assert np.abs((axes.T @ vectors[:, ::-1][:, :11]).diagonal()) == pytest.approx(1)
    labels = np.arange(12) % 2
    rotated = wide @ np.linalg.svd(wide - wide.mean(0), full_matrices=False)[2].T  # the same rows, in 12 numbers
    found, same = (embeddings.pca_accuracy(each, labels, [1, 3]) for each in (wide, rotated))
    assert found["accuracy"].tolist() == same["accuracy"].tolist()


def test_a_hundred_thousand_numbers_a_row_take_little_memory():
    wide = np.random.default_rng(0).normal(size=(20, 100_000))
    rank = embeddings.effective_rank(wide)
    assert 18 < rank.participation < 19.01
    assert (rank.at_99, rank.width) == (19, 100_000)

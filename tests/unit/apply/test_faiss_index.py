"""A FAISS index: read back, moved and built anew in a file beside it, names switched and switched back."""

import os
import shutil

import faiss
import numpy as np
import pytest

from crossgap.apply.stores import apply_to_store
from crossgap.close.canonical_map import CanonicalMap
from crossgap.close.mean_removal import MeanRemoval
from crossgap.errors import DegenerateError, FormatError
from crossgap.geometry.neighbours import nearest_rows

N, D = 400, 8
GROUPS = ["image"] * 150 + ["text"] * 250


def _rows():
    rng = np.random.default_rng(11)
    return (rng.normal(size=(N, D)) + np.repeat([[1.0], [-1.0]], [150, 250], axis=0)).astype(np.float32)


def _closer(**parameters):
    return MeanRemoval(**parameters).fit(_rows(), groups=GROUPS)


def _moved():
    return _closer().transform(_rows(), groups=GROUPS)


IDS = np.arange(N)[::-1] * 5 + 3


def _index(kind="Flat", metric=faiss.METRIC_INNER_PRODUCT, rows=None, ids=None):
    rows = _rows() if rows is None else rows
    index = faiss.index_factory(rows.shape[1], kind, metric)
    index.train(rows)
    if ids is None:
        index.add(rows)
    else:
        index.add_with_ids(rows, ids)
    return index


@pytest.fixture
def place(tmp_path):
    """The folder, with the groups of the rows in a file."""
    (tmp_path / "groups.txt").write_text("\n".join(GROUPS) + "\n")
    return tmp_path


@pytest.fixture
def apply(place):
    """Write an index, where one is given, and apply a closer to the file."""

    def applied(index=None, closer=None, **options):
        if index is not None:
            faiss.write_index(index, str(place / "photos.faiss"))
        if "group" not in options:
            options = {"groups_file": str(place / "groups.txt")} | options
        return apply_to_store(closer or _closer(), str(place / "photos.faiss"), **options)

    return applied


def _read(path):
    index = faiss.read_index(str(path))
    wrapped = hasattr(index, "id_map")
    return index, faiss.downcast_index(index.index) if wrapped else index


@pytest.mark.parametrize("metric", [faiss.METRIC_INNER_PRODUCT, faiss.METRIC_L2])
@pytest.mark.parametrize(
    "kind", ["Flat", "HNSW8", "IVF4,Flat", "IVF4_HNSW4,Flat", "IDMap,Flat", "IDMap2,HNSW8", "IDMap2,IVF4,Flat"]
)
def test_exact_kinds(apply, place, kind, metric):
    ids = IDS if "IDMap" in kind else None
    old = _index(kind, metric, ids=ids)
    record = apply(old, batch=64)
    assert (record.rows, record.written, record.groups) == (N, N, {"image": 150, "text": 250})
    assert record.output == str(place / "photos_closed.faiss")
    new, inner = _read(place / "photos_closed.faiss")
    assert type(new) is type(_read(place / "photos.faiss")[0])
    assert (new.metric_type, new.ntotal, new.d) == (metric, N, D)
    np.testing.assert_array_equal(inner.reconstruct_n(0, N), _moved())
    if ids is not None:
        np.testing.assert_array_equal(faiss.vector_to_array(new.id_map), ids)


def test_settings_are_kept(apply, place):
    graph = _index("HNSW12")
    graph.hnsw.efConstruction, graph.hnsw.efSearch = 77, 55
    apply(graph)
    new, _ = _read(place / "photos_closed.faiss")
    assert (new.hnsw.efConstruction, new.hnsw.efSearch, new.hnsw.nb_neighbors(1)) == (77, 55, 12)
    lists = _index("IVF6,Flat")
    lists.nprobe = 4
    apply(lists, output=str(place / "lists.faiss"))
    new, _ = _read(place / "lists.faiss")
    assert (new.nlist, new.nprobe, new.quantizer.ntotal) == (6, 4, 6)
    assert new.direct_map.type == lists.direct_map.type


def test_centres_are_those_of_moved_rows(apply, place):
    """Rows lie in the list whose centre is nearest, which old centres would not give."""
    apply(_index("IVF6,Flat"))
    new, _ = _read(place / "photos_closed.faiss")
    expected = new.quantizer.search(_moved(), 1)[1][:, 0]
    for number in range(new.nlist):
        ids = faiss.rev_swig_ptr(new.invlists.get_ids(number), new.invlists.list_size(number))
        assert sorted(ids.tolist()) == np.flatnonzero(expected == number).tolist()
    fresh = faiss.index_factory(D, "IVF6,Flat", faiss.METRIC_INNER_PRODUCT)
    fresh.train(_moved())
    np.testing.assert_array_equal(
        faiss.downcast_index(new.quantizer).reconstruct_n(0, 6),
        faiss.downcast_index(fresh.quantizer).reconstruct_n(0, 6),
    )


def test_ids_of_an_ivf_index(apply, place):
    """Rows are counted by ascending id."""
    ids = np.random.default_rng(1).permutation(N) * 10
    apply(_index("IVF4,Flat", ids=ids[np.argsort(ids)][np.arange(N)]))
    new, _ = _read(place / "photos_closed.faiss")
    new.nprobe = 4
    found = new.search(_moved(), 1)[1][:, 0]
    np.testing.assert_array_equal(found, np.sort(ids))


def test_the_same_id_twice(apply):
    with pytest.raises(ValueError, match="has the same id twice, so its rows cannot be told apart"):
        apply(_index("IVF4,Flat", ids=np.zeros(N, np.int64)))


@pytest.mark.parametrize("kind", ["SQ8", "IVF4,SQ8", "PQ4x4", "IVF4,PQ4x4", "HNSW8_SQ8"])
def test_rounded_kinds_ask_for_the_original_vectors(apply, place, kind):
    with pytest.raises(ValueError, match=r"is an Index\w+, which holds rounded vectors: moved, they would be rounded"):
        apply(_index(kind))
    assert not (place / "photos_closed.faiss").exists()
    np.save(place / "rows.npy", _rows())
    apply(_index(kind), vectors_file=str(place / "rows.npy"))
    new, _ = _read(place / "photos_closed.faiss")
    fresh = faiss.index_factory(D, kind, faiss.METRIC_INNER_PRODUCT)
    fresh.train(_moved())
    fresh.add(_moved())
    queries = _moved()[:50]
    np.testing.assert_allclose(new.search(queries, 5)[0], fresh.search(queries, 5)[0], atol=1e-5)


@pytest.mark.parametrize("kind", ["PCA4,Flat", "LSH", "SQ8,RFlat"])
def test_kinds_that_are_not_rebuilt(apply, kind):
    with pytest.raises(ValueError, match=r"is an Index\w+, which is not rebuilt here \(these are: IndexFlat"):
        apply(_index(kind, faiss.METRIC_L2))


def test_a_metric_that_does_not_suit(apply):
    with pytest.raises(ValueError, match="is compared by a metric that is neither the inner product nor L2"):
        apply(_index("Flat", faiss.METRIC_L1))
    with pytest.raises(ValueError, match="is compared by the L2 distance, which orders moved vectors as the cosine"):
        apply(_index("Flat", faiss.METRIC_L2), _closer(renormalise=False))
    record = apply(_index(), _closer(renormalise=False))
    assert any("not of length 1" in note for note in record.notes)


@pytest.mark.parametrize("kind", ["Flat", "IDMap,HNSW8"])
def test_a_closer_of_fewer_dimensions(apply, place, kind):
    rng = np.random.default_rng(2)
    rows = np.repeat(rng.normal(size=(N // 2, D)), 2, axis=0) + 0.1 * rng.normal(size=(N, D))
    groups = ["image", "text"] * (N // 2)
    closer = CanonicalMap(dimensions=3).fit(rows, groups=groups, items=np.repeat(np.arange(N // 2), 2))
    np.save(place / "names.npy", np.array(groups))
    rows = rows.astype(np.float32)
    index = _index(kind, rows=rows, ids=IDS if "IDMap" in kind else None)
    apply(index, closer, groups_file=str(place / "names.npy"))
    new, inner = _read(place / "photos_closed.faiss")
    assert new.d == 3
    np.testing.assert_allclose(inner.reconstruct_n(0, N), closer.transform(rows, groups=groups), atol=1e-6)
    with pytest.raises(
        ValueError, match="gives 3 dimensions in place of 8, for which an IndexIVFFlat is not made here"
    ):
        apply(_index("IVF4,Flat", rows=rows), closer, restart=True)


def test_switch_and_roll_back_and_switch_again(apply, place):
    index = _index()
    record = apply(index, switch=True)
    assert (record.switched, record.source, record.output) == (
        True,
        str(place / "photos.faiss.before"),
        str(place / "photos.faiss"),
    )
    names = ["groups.txt", "photos.faiss", "photos.faiss.before", "photos.faiss.crossgap.json"]
    assert sorted(path.name for path in place.iterdir()) == names
    np.testing.assert_array_equal(_read(place / "photos.faiss")[1].reconstruct_n(0, N), _moved())
    again = apply(switch=True)
    assert (again.switched, again.written) == (True, 0)
    assert "nothing was left to do" in again.notes[0]
    back = apply(roll_back=True)
    assert (back.rolled_back, back.output) == (True, str(place / "photos_closed.faiss"))
    np.testing.assert_array_equal(_read(place / "photos.faiss")[1].reconstruct_n(0, N), _rows())
    once_more = apply(switch=True)
    assert (once_more.written, once_more.resumed_from, once_more.switched) == (0, N, True)
    np.testing.assert_array_equal(_read(place / "photos.faiss")[1].reconstruct_n(0, N), _moved())


class _KilledError(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize(
    ("links", "step"), [(True, 0), (True, 1), (True, 2), (False, 0), (False, 1), (False, 2), (False, 3)]
)
def test_a_kill_between_any_two_steps_of_a_switch(apply, place, monkeypatch, step, links):
    """Each step either happened or not; the same command again ends in the same files."""
    apply(_index())
    with monkeypatch.context() as patch:
        _let_so_many_steps(patch, step, links)
        with pytest.raises(_KilledError):
            apply(switch=True)
    assert apply(switch=True).switched
    np.testing.assert_array_equal(_read(place / "photos.faiss")[1].reconstruct_n(0, N), _moved())
    np.testing.assert_array_equal(_read(place / "photos.faiss.before")[1].reconstruct_n(0, N), _rows())
    with monkeypatch.context() as patch:
        _let_so_many_steps(patch, step, links)
        with pytest.raises(_KilledError):
            apply(roll_back=True)
    if (place / "photos.faiss.before").exists():  # the files are back before the note is
        assert apply(roll_back=True).rolled_back
    np.testing.assert_array_equal(_read(place / "photos.faiss")[1].reconstruct_n(0, N), _rows())
    np.testing.assert_array_equal(_read(place / "photos_closed.faiss")[1].reconstruct_n(0, N), _moved())
    assert apply().resumed_from == N


def _refuse(*_):
    raise OSError("no links here")


def _let_so_many_steps(patch, most, links):
    """Let so many changes of names happen, then none."""
    steps = []

    def counted(act):
        def one(*given, **how):
            if len(steps) == most:
                raise _KilledError
            done = act(*given, **how)
            steps.append(given)
            return done

        return one

    for module, name in ((os, "link"), (os, "replace"), (shutil, "copy2")):
        patch.setattr(module, name, counted(getattr(module, name)))
    if not links:
        patch.setattr(os, "link", _refuse)


def test_dry_run_writes_nothing(apply, place):
    record = apply(_index(), dry_run=True)
    assert (record.dry_run, record.rows, record.written, record.groups) == (True, N, 0, {"image": 150, "text": 250})
    assert sorted(path.name for path in place.iterdir()) == ["groups.txt", "photos.faiss"]


def test_it_is_there_or_not(apply, place, monkeypatch):
    def full(index, path):
        with open(path, "wb") as file:
            file.write(b"half")
        raise RuntimeError("Error: 'ret == (size)' failed: write error")

    faiss.write_index(_index(), str(place / "photos.faiss"))
    monkeypatch.setattr(faiss, "write_index", full)
    with pytest.raises(OSError, match="cannot be written by FAISS; free some space and try again"):
        apply()
    assert not (place / "photos_closed.faiss").exists()
    monkeypatch.undo()
    assert apply().written == N


def test_what_an_earlier_run_wrote_is_used_or_made_anew(apply, place):
    apply(_index())
    assert (apply().resumed_from, apply(dry_run=True).resumed_from) == (N, N)
    with pytest.raises(ValueError, match=r"was made with another closer, or .* has changed since; write it anew"):
        apply(closer=_closer(renormalise=False))
    assert apply(closer=_closer(renormalise=False), restart=True).written == N
    with pytest.raises(ValueError, match="has changed since"):
        apply(_index("HNSW8"), _closer(renormalise=False))


def test_a_kill_before_a_new_index_is_there_never_takes_an_older_one_for_it(apply, place, monkeypatch):
    """The note of a run that writes anew must not make the index of an earlier run its own."""
    apply(_index())
    other = _closer(renormalise=False)

    def killed(index, path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(faiss, "write_index", killed)
        with pytest.raises(KeyboardInterrupt):
            apply_to_store(other, str(place / "photos.faiss"), groups_file=str(place / "groups.txt"), restart=True)
    assert apply(closer=other).written == N
    found = _read(place / "photos_closed.faiss")[1].reconstruct_n(0, N)
    np.testing.assert_array_equal(found, other.transform(_rows(), groups=GROUPS))


@pytest.mark.parametrize("written_anew", [False, True])
def test_the_old_index_always_has_a_place_to_go(apply, place, written_anew):
    """A file of that name that is not the old index would be taken for it, and the old one be lost."""
    (place / "photos.faiss.before").write_bytes(b"mine")
    if written_anew:
        apply(_index())
    before = sorted(path.name for path in place.iterdir())
    with pytest.raises(ValueError, match=r"before' exists and is not '.*photos.faiss' under a second name, so the old"):
        apply(None if written_anew else _index(), switch=True)
    assert sorted(path.name for path in place.iterdir()) == sorted({*before, "photos.faiss"})
    assert (place / "photos.faiss.before").read_bytes() == b"mine"
    np.testing.assert_array_equal(_read(place / "photos.faiss")[1].reconstruct_n(0, N), _rows())


def test_files_of_others_are_left_alone(apply, place):
    (place / "photos_closed.faiss").write_bytes(b"mine")
    for restart in (False, True):
        with pytest.raises(ValueError, match="exists and was not made here, so it is left as it is"):
            apply(_index(), restart=restart)
    assert (place / "photos_closed.faiss").read_bytes() == b"mine"
    with pytest.raises(ValueError, match="is the source; give another file"):
        apply(output=str(place / "photos.faiss"))


def test_moved_vectors_are_not_moved_again(apply, place):
    apply(_index(), switch=True)
    with pytest.raises(ValueError, match="were moved by a closer already, and a second time would be wrong; roll back"):
        apply(closer=_closer(renormalise=False))
    (place / "photos.faiss.before").unlink()
    with pytest.raises(ValueError, match="were moved by a closer already"):
        apply(closer=_closer(renormalise=False))
    with pytest.raises(ValueError, match="which held the old vectors, is gone"):
        apply(roll_back=True)


def test_a_damaged_note(apply, place):
    apply(_index())
    (place / "photos.faiss.crossgap.json").write_text("{")
    with pytest.raises(FormatError, match=r"photos.faiss.crossgap.json' is damaged; remove it if"):
        apply()


def test_groups_of_rows(apply, place):
    record = apply(_index(), group="text")
    assert record.groups == {"text": N}
    expected = _closer().transform(_rows(), groups=["text"] * N)
    np.testing.assert_array_equal(_read(place / "photos_closed.faiss")[1].reconstruct_n(0, N), expected)
    np.save(place / "names.npy", np.array(["photo"] * 150 + ["song"] * 10 + ["text"] * 240))
    options = {"groups_file": str(place / "names.npy"), "aliases": {"photo": "image"}, "restart": True}
    with pytest.raises(ValueError, match="10 rows are of the group 'song', but the closer knows image, text"):
        apply(**options)
    record = apply(**options, keep_others=True)
    assert (record.groups, record.kept_rows) == ({"image": 150, "text": 240}, 10)
    new = _read(place / "photos_closed.faiss")[1].reconstruct_n(0, N)
    np.testing.assert_array_equal(new[150:160], _rows()[150:160])
    np.testing.assert_array_equal(new[160:], _moved()[160:])


def test_groups_that_do_not_fit(apply, place):
    index = _index()
    with pytest.raises(ValueError, match="give either the group of all rows with --group"):
        apply(index, groups_file=None)
    with pytest.raises(ValueError, match="give either the group of all rows with --group"):
        apply(group="text", groups_file=str(place / "groups.txt"))
    (place / "short.txt").write_text("image\n")
    with pytest.raises(ValueError, match=r"names the groups of 1 rows, but .* has 400; give one name for each row"):
        apply(groups_file=str(place / "short.txt"))
    with pytest.raises(FileNotFoundError, match=r"give a \.txt with one group a line, or a \.npy"):
        apply(groups_file=str(place / "nope.txt"))
    np.save(place / "numbers.npy", np.zeros(N))
    with pytest.raises(FormatError, match=r"has shape \(400,\) and dtype float64, but one string for each row"):
        apply(groups_file=str(place / "numbers.npy"))
    (place / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="is no text in UTF-8"):
        apply(groups_file=str(place / "bytes.txt"))


def test_original_vectors_that_do_not_fit(apply, place):
    np.save(place / "rows.npy", _rows()[:9])
    with pytest.raises(ValueError, match=r"has shape \(9, 8\), but .* has 400 rows of 8 dimensions"):
        apply(_index("SQ8"), vectors_file=str(place / "rows.npy"))
    with pytest.raises(FileNotFoundError, match=r"give a \.npy of the original vectors"):
        apply(vectors_file=str(place / "nope.npy"))


def test_zeros_stay_and_rows_at_fault_are_named(apply, place):
    rows = _rows()
    rows[7] = 0
    record = apply(_index("Flat", faiss.METRIC_L2, rows=rows))
    assert record.zero_rows == 1
    assert any("rows of zeros seem near to everything under the L2 distance" in note for note in record.notes)
    assert not _read(place / "photos_closed.faiss")[1].reconstruct(7).any()
    closer = _closer()
    rows[300] = closer.means_["text"]
    closer.means_["text"] = rows[300].astype(float) / np.linalg.norm(rows[300].astype(float))
    with pytest.raises(DegenerateError, match=r"photos.faiss: nothing is left of row 300 \(text\)"):
        apply(_index(rows=rows), closer, restart=True, batch=64)


def test_another_dimension(apply):
    with pytest.raises(ValueError, match="has 9 dimensions, but the closer was fitted on 8"):
        apply(_index(rows=np.ones((N, 9), np.float32)))


@pytest.mark.parametrize("content", [b"", b"no index at all", None])
def test_files_that_are_no_index(apply, place, content):
    path = place / "photos.faiss"
    if content is None:
        faiss.write_index(_index(), str(path))
        content = path.read_bytes()[:1000]
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"photos.faiss' is cut short, damaged, or no FAISS index of float vectors"):
        apply()
    path.unlink()
    with pytest.raises(FileNotFoundError, match="give the path of a FAISS index"):
        apply()


def test_an_empty_index(apply, place):
    (place / "groups.txt").write_text("")
    with pytest.raises(ValueError, match="holds no rows, so there is nothing to move"):
        apply(faiss.IndexFlatIP(D))


def test_progress_counts_up(apply):
    said = []
    apply(_index(), batch=150, progress=lambda *news: said.append(news))
    assert said == [(done, N, "building photos_closed.faiss") for done in (150, 300, 400)]


def test_what_a_search_finds(apply, place):
    """The old index mixes badly, the new one as NumPy says."""
    apply(_index(), switch=True)
    new, _ = _read(place / "photos.faiss")
    queries = _moved()[200:230]
    np.testing.assert_array_equal(new.search(queries, 10)[1], nearest_rows(queries, _moved(), 10).rows)

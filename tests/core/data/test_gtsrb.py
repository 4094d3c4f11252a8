"""GTSRB's folders and tables."""

import numpy as np
import pytest

from ngf_core.data import DATASETS
from ngf_core.data.dataset import load_dataset
from ngf_core.errors import ConfigError, NGFError
from tests.support import dataset_files


def test_pixels_and_labels_are_those_of_the_files(root):
    train, test = dataset_files.gtsrb(root)
    dataset = load_dataset("gtsrb", str(root))
    dataset_files.assert_holds(dataset, train, test)
    assert dataset.shape == (3, 32, 32)
    assert dataset.class_names == DATASETS["gtsrb"].class_names
    assert len(set(dataset.class_names)) == 43


def test_the_whole_image_is_squeezed_into_the_square(root):
    train, _ = dataset_files.gtsrb(root, 1, (3, 20, 50))
    for path in (root / "gtsrb/GTSRB/Training/00007").glob("*.ppm"):
        pixels = np.zeros((3, 20, 50), np.uint8)
        pixels[0, :, :10], pixels[1, :, 40:] = 255, 255  # a centred crop would lose both ends
        dataset_files.picture(pixels).save(path)
    dataset = load_dataset("gtsrb", str(root), size=40)
    assert dataset.shape == (3, 40, 40)
    (image,) = [x for part in (dataset.train, dataset.reserve) for x in part.x[part.y == 7]]
    assert (image[0, :, :6] == 255).all() and (image[1, :, -6:] == 255).all()
    assert not image[:, :, 12:28].any()


def test_a_missing_class_folder_does_not_shift_the_labels(root):
    dataset_files.gtsrb(root)
    place = root / "gtsrb/GTSRB/Training/00011"
    place.rename(place.with_name("elf"))
    with pytest.raises(ConfigError, match=r"class folders 00000 to 00042, .*: 00011, elf"):
        load_dataset("gtsrb", str(root))


def test_an_image_that_the_unpacking_left_out_is_named(root):
    dataset_files.gtsrb(root)
    (root / "gtsrb/GTSRB/Training/00042/00000_00001.ppm").unlink()
    with pytest.raises(NGFError, match=r"00042/00000_00001.ppm does not exist, but GT-00042.csv"):
        load_dataset("gtsrb", str(root))


def test_a_class_without_images_is_named(root):
    dataset_files.gtsrb(root)
    for path in (root / "gtsrb/GTSRB/Training/00003").iterdir():
        path.unlink()
    with pytest.raises(NGFError, match="Training/00003 holds no .ppm image"):
        load_dataset("gtsrb", str(root))


def test_a_missing_test_image_is_named(root):
    dataset_files.gtsrb(root)
    (root / "gtsrb/GTSRB/Final_Test/Images/00017.ppm").unlink()
    with pytest.raises(NGFError, match="00017.ppm does not exist"):
        load_dataset("gtsrb", str(root))


def test_a_truncated_image_is_named(root):
    dataset_files.gtsrb(root)
    path = root / "gtsrb/GTSRB/Training/00040/00000_00000.ppm"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(NGFError, match="00040/00000_00000.ppm cannot be read"):
        load_dataset("gtsrb", str(root))


@pytest.mark.parametrize("content", [b"", b"File;Class\n1.ppm;2\n", b"Filename;ClassId\n1.ppm\n",
                                     b"Filename;ClassId\n1.ppm;43\n", b"\xff\xfe\x00;\xff",
                                     b"Filename;ClassId\n1.ppm;two\n"])
def test_a_wrong_table_is_named(root, content):
    dataset_files.gtsrb(root)
    (root / "gtsrb/GT-final_test.csv").write_bytes(content)
    with pytest.raises(NGFError, match="GT-final_test.csv is not the file that GTSRB needs"):
        load_dataset("gtsrb", str(root))


def test_missing_parts_are_named(root):
    dataset_files.gtsrb(root)
    (root / "gtsrb/GT-final_test.csv").unlink()
    with pytest.raises(ConfigError, match="gtsrb: GT-final_test.csv missing"):
        load_dataset("gtsrb", str(root))

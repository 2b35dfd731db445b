"""A small tree of each anti-spoofing dataset, in exactly its shape, with pictures and videos of our own."""

from __future__ import annotations

import json
from pathlib import Path

from reader_trees import image, text, video


def oulu(root: Path) -> None:
    for stem, folder in [
        ("1_1_01_1", "Train"),
        ("6_3_20_2", "Train"),
        ("2_1_21_5", "Dev"),
        ("1_2_55_3", "Test"),
    ]:
        video(root / f"{folder}_files" / f"{stem}.avi", 2)
    text(root / "Train_files" / "1_1_01_1.txt", "0,8,9,20,9.5\n1,9,9,21,9\n")
    text(root / "Protocols/Protocol_1/Train.txt", "\ufeff+1,1_1_01_1\r\n-1, 6_3_20_2 \r\n")
    text(root / "Protocols/Protocol_1/Dev.txt", "-1,2_1_21_5\n")
    text(root / "Protocols/Protocol_1/Test.txt", "-1,1_2_55_3\n")


def casia_fasd(root: Path) -> None:
    for place in ("train_release/1/1", "train_release/1/HR_2", "test_release/1/5", "test_release/30/HR_4"):
        video(root / f"{place}.avi", 2)


REPLAY_REAL = "devel/real/client009_session01_webcam_authenticate_adverse_1"
REPLAY_FIXED = "train/attack/fixed/attack_print_client001_session01_highdef_photo_controlled"
REPLAY_HAND = "test/attack/hand/attack_highdef_client003_session01_mobile_video_adverse"


def replay_attack(root: Path) -> None:
    for place in (REPLAY_REAL, REPLAY_FIXED, REPLAY_HAND, "enroll/client001_session01_webcam_enroll_1"):
        video(root / f"{place}.mov", 2)
    text(root / "face-locations" / f"{REPLAY_REAL}.face", "0 4 6 16 20\n1 0 0 0 0\n")


MSU_REAL = "scene01/real/real_client002_laptop_SD_scene01"
MSU_PRINT = "scene01/attack/attack_client003_android_SD_printed_photo_scene01"
MSU_PAD = "scene01/attack/attack_client003_laptop_HD_ipad_video_scene01"


def msu_mfsd(root: Path) -> None:
    video(root / f"{MSU_REAL}.mov", 2)
    video(root / f"{MSU_PRINT}.mp4", 2)
    video(root / f"{MSU_PAD}.mov", 2)
    text(root / f"{MSU_REAL}.face", "0, 4,6,20,26, 8,10,16,10\r\n")
    text(root / "train_sub_list.txt", "02\r\n")
    text(root / "test_sub_list.txt", "03\n")


def siw(root: Path) -> None:
    video(root / "Train/live/001/001-1-1-1-1.mov", 2)
    video(root / "Train/spoof/001/001-2-2-2-1.mov", 2)
    video(root / "Test/spoof/165/165-1-3-4-2.mov", 2)
    text(root / "Train/live/001/001-1-1-1-1.face", "0 0 0 0\n4 6 20 26\n")


def codes(spoof: int, *, light: int = 0, place: int = 0, flag: int | None = None, traits=()) -> list[int]:
    numbers = [int(number in traits) for number in range(40)]
    return [*numbers, spoof, light, place, int(spoof > 0) if flag is None else flag]


def celeba_spoof(root: Path) -> None:
    image(root / "Data/train/17/live/000001.png", 1, width=448, height=112)
    image(root / "Data/train/17/spoof/000002.png", 2)
    image(root / "Data/test/18/spoof/000003.png", 3)
    text(root / "Data/train/17/live/000001_BB.txt", "56 112 28 56 0.99\n")
    train = {
        "Data/train/17/live/000001.png": codes(0, traits=(20, 39)),
        "Data/train/17/spoof/000002.png": codes(4, light=3, place=2),
    }
    text(root / "metas/intra_test/train_label.json", json.dumps(train))
    test = {"Data/test/18/spoof/000003.png": codes(10, light=1, place=1)}
    text(root / "metas/intra_test/test_label.json", json.dumps(test))


def hq_wmca(root: Path) -> None:
    video(root / "cam/1_01_0005_0000_00_00.mov", 2)
    image(root / "cam/1_02_0006_0007_05_02/0.png", 1)
    image(root / "cam/1_02_0006_0007_05_02/1.png", 2)
    text(
        root / "PROTOCOL-grand_test-curated.csv",
        "Video_Name,label,attack,subset\r\n"
        "cam/1_01_0005_0000_00_00,0,bonafide,train\r\n"
        '"cam/1_02_0006_0007_05_02", 1,attack/Rigidmask, eval\r\n',
    )


SURF_LIVE = "Training/real_part/CLKJ_CS0110/real.rssdk/{}/91.jpg"
SURF_FAKE = "Training/fake_part/CLKJ_AS0005/04_en_b.rssdk/{}/101.jpg"


def casia_surf(root: Path) -> None:
    for place in (SURF_LIVE, SURF_FAKE):
        for number, modality in enumerate(("color", "depth", "ir")):
            image(root / place.format(modality), number)
    for number, modality in enumerate(("color", "depth", "ir")):
        image(root / f"Val/0000/000000-{modality}.jpg", number)
        image(root / f"Testing/0000/000000-{modality}.jpg", number)

    def line(place: str, end: str) -> str:
        return " ".join(place.format(modality) for modality in ("color", "depth", "ir")) + end

    text(root / "train_list.txt", line(SURF_LIVE, " 1\r\n") + line(SURF_FAKE, " 0\r\n"))
    text(root / "val_private_list.txt", line("Val/0000/000000-{}.jpg", " 0\n"))
    text(root / "val_public_list.txt", line("Val/0000/000000-{}.jpg", "\n"))
    text(root / "test_public_list.txt", line("Testing/0000/000000-{}.jpg", "\n"))


def hifimask(root: Path) -> None:
    image(root / "train/3_26_3_1_6_2/0001.png", 1)
    image(root / "train/1_02_0_1_1_1/0001.png", 2)
    image(root / "val/0000/0001.png", 3)
    image(root / "val/0000/0002.png", 4)
    text(root / "train_label.txt", "train/3_26_3_1_6_2/0001.png 0\ntrain/1_02_0_1_1_1/0001.png 1\n")
    text(root / "val.txt", "val/0000/0001.png\n")


def uniattackdata(root: Path) -> None:
    image(root / "phase1/p1/train/000001.jpg", 1)
    image(root / "phase1/p1/train/000002.jpg", 2)
    image(root / "phase1/p1/dev/000003.jpg", 3)
    text(root / "phase1/p1/train_label.txt", "p1/train/000001.jpg 1\np1/train/000002.jpg 0\n")
    text(root / "phase1/p1/dev.txt", "p1/dev/000003.jpg\n")


def uniattackdata_plus(root: Path) -> None:
    image(root / "Data-train/1.png", 1)
    image(root / "Data-train/2.png", 2)
    image(root / "Data-val/3.png", 3)
    text(root / "Protocol-train.txt", "Data-train/1.png 0_0_0\nData-train/2.png 1_1_2\n")
    text(root / "Protocol-val.txt", "Data-val/3.png 2_0_1\n")

use super::*;

fn content(disk: &FaultyDisk, path: &str) -> Option<Vec<u8>> {
    let file = disk.open(Path::new(path), OpenMode::Existing).ok()?;
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

fn write(disk: &FaultyDisk, path: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(Path::new(path), OpenMode::OrCreate).unwrap();
    file.write_at(&[IoSlice::new(bytes)], 0).unwrap();
    file
}

#[test]
fn a_power_cut_takes_unsynced_bytes_and_names() {
    let disk = FaultyDisk::new();
    let synced = write(&disk, "/synced", b"old");
    synced.sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    write(&disk, "/synced", b"new");
    write(&disk, "/nameless", b"x").sync().unwrap();
    let disk = disk.power_cut(Survival::Nothing);
    assert_eq!(
        content(&disk, "/synced").as_deref(),
        Some(b"old".as_slice())
    );
    assert_eq!(content(&disk, "/nameless"), None);
    assert!(synced.sync().is_err(), "handles from before are dead");
}

#[test]
fn killing_keeps_the_page_cache() {
    let disk = FaultyDisk::new();
    write(&disk, "/file", b"new");
    let disk = disk.kill();
    assert_eq!(content(&disk, "/file").as_deref(), Some(b"new".as_slice()));
    let disk = disk.power_cut(Survival::Nothing);
    assert_eq!(content(&disk, "/file"), None);
}

#[test]
fn the_crash_tears_the_write_it_comes_in() {
    let disk = FaultyDisk::new();
    let file = write(&disk, "/file", b"");
    disk.crash_at(disk.operations());
    assert!(file.write_at(&[IoSlice::new(b"abcd")], 0).is_err());
    assert!(disk.has_crashed());
    let disk = disk.kill();
    assert_eq!(content(&disk, "/file").as_deref(), Some(b"ab".as_slice()));
}

#[test]
fn what_a_failed_sync_covered_is_lost_though_the_next_one_succeeds() {
    let disk = FaultyDisk::new();
    let file = write(&disk, "/file", b"abcd");
    disk.sync_dir(Path::new("/")).unwrap();
    disk.fail_sync(disk.syncs());
    assert!(file.sync().is_err());
    file.sync().unwrap();
    let disk = disk.power_cut(Survival::Everything);
    assert_ne!(content(&disk, "/file").as_deref(), Some(b"abcd".as_slice()));
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = FaultyDisk::new();
    disk.set_capacity(Some(3));
    let file = disk.open(Path::new("/file"), OpenMode::OrCreate).unwrap();
    let error = file.write_at(&[IoSlice::new(b"abcd")], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(content(&disk, "/file").as_deref(), Some(b"abc".as_slice()));
}

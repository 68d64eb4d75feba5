//! The hub's private PostgreSQL: made, kept, stopped, started again, and never taken for another.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use hub::postgres::{Config, Durability, Error, Server, State};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::{Connection, PgConnection, Row};
use tempfile::TempDir;
use tests::{
    clusters::wait::until,
    processes::{CommandLine, Hub, HubOptions},
    programs::Programs,
};
use tokio::io::{AsyncBufReadExt, BufReader};

const SOON: Duration = Duration::from_secs(30);

/// A folder that PostgreSQL's user can enter, also where the tests run as root.
fn open_folder() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("pg-").tempdir_in("/tmp")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn throw_away(folder: &Path) -> Config {
    Config { durability: Durability::None, ..Config::new(folder.join("postgres")) }
}

fn process(server: &Server) -> Result<Pid> {
    match *server.state().borrow() {
        State::Ready { pid } => Pid::from_raw(pid).context("a process id"),
        other => bail!("the server is {other:?}"),
    }
}

async fn one(server: &Server, sql: &'static str) -> Result<String> {
    let mut connection = PgConnection::connect_with(&server.connect_options()).await?;
    let row = sqlx::query(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(row.try_get(0)?)
}

async fn run(server: &Server, sql: &'static str) -> Result<()> {
    let mut connection = PgConnection::connect_with(&server.connect_options()).await?;
    sqlx::query(sql).execute(&mut connection).await?;
    Ok(connection.close().await?)
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart() -> Result<()> {
    let folder = open_folder()?;
    let config = Config::new(folder.path().join("postgres"));
    let server = Server::start(&config).await?;
    run(&server, "create table kept as select 'still here' as words").await?;
    let first = process(&server)?;
    server.stop().await;
    assert!(test_kill_process(first).is_err(), "the server is stopped when stop returns");

    let server = Server::start(&config).await?;
    assert_eq!(one(&server, "select words from kept").await?, "still here");
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn the_server_flushes_checks_and_listens_only_on_its_socket() -> Result<()> {
    let folder = open_folder()?;
    let server = Server::start(&Config::new(folder.path().join("postgres"))).await?;
    for (setting, expected) in [
        ("show fsync", "on"),
        ("show synchronous_commit", "on"),
        ("show full_page_writes", "on"),
        ("show data_checksums", "on"),
        ("show listen_addresses", ""),
        ("show unix_socket_permissions", "0700"),
        ("show server_encoding", "UTF8"),
    ] {
        assert_eq!(one(&server, setting).await?, expected, "{setting}");
    }
    for private in ["postgres", "postgres/data", "postgres/socket"] {
        let mode = fs::metadata(folder.path().join(private))?.permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{private}");
    }
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_server_killed_under_a_living_hub_is_started_again() -> Result<()> {
    let folder = open_folder()?;
    let server = Server::start(&throw_away(folder.path())).await?;
    let mut state = server.state();
    let first = process(&server)?;
    kill_process(first, Signal::KILL)?;
    let runs_again =
        state.wait_for(|state| matches!(state, State::Ready { pid } if *pid != first.as_raw_pid()));
    tokio::time::timeout(SOON, runs_again).await??;
    assert_eq!(one(&server, "select 'answers'").await?, "answers");
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_second_hub_on_the_same_folder_is_refused() -> Result<()> {
    let folder = open_folder()?;
    let server = Server::start(&throw_away(folder.path())).await?;
    let second = Server::start(&throw_away(folder.path())).await;
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
    assert_eq!(one(&server, "select 'unharmed'").await?, "unharmed");
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_server_that_nobody_stopped_ends_with_its_owner() -> Result<()> {
    let folder = open_folder()?;
    let server = Server::start(&throw_away(folder.path())).await?;
    let pid = process(&server)?;
    drop(server);
    until("the server ended", SOON, || async { Ok(test_kill_process(pid).is_err().then_some(())) }).await
}

#[tokio::test]
async fn a_first_start_that_was_killed_is_begun_anew() -> Result<()> {
    let folder = open_folder()?;
    let rest = folder.path().join("postgres/data.new/base");
    fs::create_dir_all(&rest)?;
    fs::write(rest.join("half"), "written")?;
    let server = Server::start(&throw_away(folder.path())).await?;
    assert_eq!(one(&server, "select 'made'").await?, "made");
    assert!(!folder.path().join("postgres/data.new").exists());
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn data_of_another_major_version_are_refused_and_not_touched() -> Result<()> {
    let folder = open_folder()?;
    Server::start(&throw_away(folder.path())).await?.stop().await;
    let version = folder.path().join("postgres/data/PG_VERSION");
    fs::write(&version, "9\n")?;
    let refused = Server::start(&throw_away(folder.path())).await;
    let Err(error @ Error::OtherMajor { wanted: 9, .. }) = refused else { bail!("not refused: {refused:?}") };
    assert!(error.to_string().contains("is of PostgreSQL 9"), "{error}");
    assert_eq!(fs::read_to_string(version)?, "9\n");
    Ok(())
}

#[tokio::test]
async fn a_folder_whose_socket_path_is_too_long_is_refused() -> Result<()> {
    let folder = open_folder()?;
    let long = folder.path().join("x".repeat(90));
    let refused = Server::start(&throw_away(&long)).await;
    assert!(matches!(refused, Err(Error::SocketPath { .. })), "{refused:?}");
    Ok(())
}

#[tokio::test]
async fn binaries_that_are_not_there_are_named() -> Result<()> {
    let folder = open_folder()?;
    let nowhere = PathBuf::from("/nonexistent/postgres/bin");
    let config = Config { binaries: Some(nowhere), ..throw_away(folder.path()) };
    let Err(error) = Server::start(&config).await else { bail!("started without binaries") };
    assert!(error.to_string().contains("/nonexistent/postgres/bin"), "{error}");
    assert!(error.to_string().contains("HUB_PG_BIN"), "{error}");
    Ok(())
}

#[tokio::test]
async fn as_root_a_folder_closed_to_others_is_refused_with_the_way_out() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let folder = open_folder()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700))?;
    let Err(error) = Server::start(&throw_away(folder.path())).await else {
        bail!("started behind a closed door")
    };
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("chmod o+x"), "{error}");
    Ok(())
}

/// The hub as a program, with its data in a folder.
fn hub_options(folder: &Path) -> HubOptions {
    HubOptions { data: folder.join("data"), listen: "127.0.0.1:0".to_owned(), environment: Vec::new() }
}

fn postmaster(folder: &Path) -> Result<Pid> {
    let file = fs::read_to_string(folder.join("data/postgres/data/postmaster.pid"))?;
    let pid = file.lines().next().context("a first line")?.parse()?;
    Pid::from_raw(pid).context("a process id")
}

#[tokio::test]
async fn a_killed_hub_leaves_its_server_and_the_next_adopts_it() -> Result<()> {
    let programs = tokio::task::spawn_blocking(Programs::build).await??;
    let folder = open_folder()?;
    let mut hub = Hub::start(&programs, &hub_options(folder.path()), folder.path()).await?;
    let left = postmaster(folder.path())?;
    hub.kill().await?;
    assert!(test_kill_process(left).is_ok(), "PostgreSQL outlives a killed hub");

    let hub = Hub::start(&programs, &hub_options(folder.path()), folder.path()).await?;
    assert_eq!(postmaster(folder.path())?, left, "the next hub adopts it");
    hub.stop().await?;
    until("the adopted server ended", SOON, || async { Ok(test_kill_process(left).is_err().then_some(())) })
        .await
}

#[tokio::test]
async fn an_adopted_server_that_is_killed_is_started_again() -> Result<()> {
    let programs = tokio::task::spawn_blocking(Programs::build).await??;
    let folder = open_folder()?;
    let options = hub_options(folder.path());
    Hub::start(&programs, &options, folder.path()).await?.kill().await?;
    let hub = Hub::start(&programs, &options, folder.path()).await?;
    let command_line = CommandLine::new(&programs, hub.context());
    let adopted = postmaster(folder.path())?;
    kill_process(adopted, Signal::KILL)?;
    until("another server", SOON, || async { Ok((postmaster(folder.path())? != adopted).then_some(())) })
        .await?;
    until("an answer from it", SOON, || async { command_line.done(&["cluster", "list"]).await.map(Some) })
        .await?;
    hub.stop().await
}

/// Whom ordinary programs of a system without a login run as.
const NOBODY: u32 = 65_534;

#[tokio::test]
async fn an_ordinary_user_runs_a_hub_too() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        // Then every other test here is this one.
        return Ok(());
    }
    let programs = tokio::task::spawn_blocking(Programs::build).await??;
    let folder = open_folder()?;
    let (program, data) = (folder.path().join("hub"), folder.path().join("data"));
    // Where the program was built may be closed to others.
    fs::copy(programs.hub(), &program)?;
    fs::create_dir(&data)?;
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY))?;
    let mut command = tokio::process::Command::new(&program);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&data).gid(NOBODY).uid(NOBODY);
    let log = fs::File::create(folder.path().join("hub.log"))?;
    command.current_dir(&data).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    let mut hub = command.spawn()?;
    let output = BufReader::new(hub.stdout.take().context("its output")?);
    let ready = tokio::time::timeout(2 * SOON, output.lines().next_line()).await??;
    assert!(ready.is_some_and(|line| line.starts_with("meshfleet hub ready: https://127.0.0.1:")));
    let pid = i32::try_from(hub.id().context("a process id")?)?;
    kill_process(Pid::from_raw(pid).context("a process id")?, Signal::TERM)?;
    assert!(tokio::time::timeout(SOON, hub.wait()).await??.success());
    Ok(())
}
